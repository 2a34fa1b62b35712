// npm @amplitude/analytics-node: events as its users send them, some of them twice.
const { createInstance, Identify } = require("@amplitude/analytics-node");
const { serverUrl, key, events, badKey } = JSON.parse(process.argv[2]);

(async () => {
  const client = createInstance();
  await client.init(key, { serverUrl, flushIntervalMillis: 50 }).promise;
  const results = [];
  for (const { name, properties, options } of events) {
    results.push((await client.track(name, properties, options).promise).code);
  }
  const identify = new Identify().set("plan", "pro").unset("trial");
  results.push((await client.identify(identify, { user_id: "node-identified" }).promise).code);
  // As their documentation has it, without a user.
  results.push((await client.groupIdentify("org", "node-acme", new Identify().set("seats", 5)).promise).code);
  const stranger = createInstance();
  await stranger.init(badKey, { serverUrl, flushIntervalMillis: 50 }).promise;
  const refused = await stranger.track("view", {}, { user_id: "stranger" }).promise;
  console.log(JSON.stringify({ results, refused: { code: refused.code, message: refused.message } }));
  process.exit(0);
})();
