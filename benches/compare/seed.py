"""Makes active experiments exp-0, exp-1 … in a running splitdeck, and overrides in the first: seed.py BASE EXPERIMENTS OVERRIDES.

The token is SPLITDECK_TOKEN in the environment."""

import json
import os
import sys
import urllib.error
import urllib.request

base, experiments, overrides = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
token = os.environ["SPLITDECK_TOKEN"]


def send(method, path, body):
    request = urllib.request.Request(
        base + path, json.dumps(body).encode(), {"Authorization": f"Bearer {token}"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


for n in range(experiments):
    key = f"exp-{n}"
    rule = {"variant": "treatment", "conditions": [
        {"scope": "profile", "field": "country", "operator": "is", "value": "TH"}]}
    try:
        draft = send("POST", "/experiments", {"name": key, "key": key, "rules": [rule]})
    except urllib.error.HTTPError as error:
        if error.code != 409:
            raise
        continue  # Made by an earlier step.
    send("POST", f"/experiments/{key}/status", {"to": "active", "resourceVersion": draft["resourceVersion"]})
# Every other user of the load is forced.
for start in range(0, overrides, 50_000):
    ids = [f"user-{2 * n}" for n in range(start, min(start + 50_000, overrides))]
    send("PUT", "/experiments/exp-0/overrides", {"subjectType": "user", "variant": "treatment", "subjectIds": ids})
