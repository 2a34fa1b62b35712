// npm @amplitude/experiment-node-server: remote evaluation of a few users, local evaluation of all.
const fs = require("fs");
const { Experiment } = require("@amplitude/experiment-node-server");
const { serverUrl, key, users, remote, flagKeys } = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));

(async () => {
  const far = Experiment.initializeRemote(key, { serverUrl, fetchRetries: 0 });
  const fetched = [];
  for (const user of remote) {
    fetched.push({
      v2: await far.fetchV2(user, { flagKeys, tracksAssignment: false }),
      fetch: Object.keys(await far.fetch(user, { tracksAssignment: false })),
    });
  }
  let refused = null;
  try {
    await far.fetchV2({ user_properties: { plan: "pro" } });
  } catch (error) {
    refused = { status: error.statusCode };
  }
  const near = Experiment.initializeLocal(key, { serverUrl });
  await near.start();
  const evaluated = [];
  for (const user of users) {
    const variants = near.evaluateV2(user);
    const keys = {};
    for (const flag in variants) {
      keys[flag] = variants[flag].key + (variants[flag].metadata.default ? "!" : "");
    }
    evaluated.push(keys);
  }
  const metadata = users.length ? near.evaluateV2(users[0]) : {};
  near.stop();
  fs.writeFileSync(process.argv[3], JSON.stringify({ fetched, refused, evaluated, metadata }));
  process.exit(0);
})();
