# PyPI amplitude-experiment: remote evaluation of a few users, local evaluation of all.
import json
import sys

from amplitude_experiment import Experiment, LocalEvaluationConfig, RemoteEvaluationConfig, User
from amplitude_experiment.remote.fetch_options import FetchOptions

with open(sys.argv[1]) as file:
    told = json.load(file)


def plain(variant):
    return {"key": variant.key, "value": variant.value, "payload": variant.payload, "metadata": variant.metadata}


far = Experiment.initialize_remote(told["key"], RemoteEvaluationConfig(server_url=told["serverUrl"]))
options = FetchOptions(tracksAssignment=False, flagKeys=told["flagKeys"])
fetched = []
for user in told["remote"]:
    variants = far.fetch_v2(User(**user), options)
    fetched.append({"v2": {flag: plain(variant) for flag, variant in variants.items()}})
far.close()

near = Experiment.initialize_local(told["key"], LocalEvaluationConfig(server_url=told["serverUrl"]))
near.start()
evaluated = []
for user in told["users"]:
    variants = near.evaluate_v2(User(**user))
    mark = lambda variant: "!" if variant.metadata.get("default") else ""
    evaluated.append({flag: variant.key + mark(variant) for flag, variant in variants.items()})
near.stop()
with open(sys.argv[2], "w") as file:
    json.dump({"fetched": fetched, "evaluated": evaluated}, file)
