# PyPI amplitude-analytics: events as its users send them, some of them twice.
import json
import sys

from amplitude import Amplitude, BaseEvent, EventOptions, Identify

told = json.loads(sys.argv[1])
results = []
client = Amplitude(told["key"])
client.configuration.server_url = told["serverUrl"]
client.configuration.callback = lambda event, code, message=None: results.append([event.event_type, code])
for event in told["events"]:
    client.track(BaseEvent(event["name"], event_properties=event["properties"], **event["options"]))
client.identify(Identify().set("plan", "pro").unset("trial"), EventOptions(user_id="python-identified"))
# As their documentation has it, without a user.
client.group_identify("org", "python-acme", Identify().set("seats", 5))
for future in client.flush():
    if future is not None:
        future.result()
client.shutdown()
print(json.dumps(sorted(results)))
