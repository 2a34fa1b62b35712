# PyPI openfeature-provider-ofrep with openfeature-sdk: what each question is answered.
import json
import sys

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

told = json.loads(sys.argv[1])
provider = OFREPProvider(told["baseUrl"], headers_factory=lambda: {"Authorization": f"Bearer {told['key']}"})
api.set_provider(provider)
client = api.get_client()
answers = []
for question in told["questions"]:
    context = dict(question["context"])
    context = EvaluationContext(context.pop("targetingKey", None), context)
    ask = getattr(client, f"get_{question['type'].lower()}_details")
    details = ask(question["flag"], question["fallback"], context)
    answers.append({
        "value": details.value,
        "variant": details.variant,
        "reason": details.reason,
        "errorCode": details.error_code,
        "errorMessage": details.error_message,
        "flagMetadata": dict(details.flag_metadata),
    })
print(json.dumps(answers))
