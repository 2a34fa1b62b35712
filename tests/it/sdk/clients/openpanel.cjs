// npm @openpanel/sdk: everything it can tell.
const { OpenPanel } = require("@openpanel/sdk");
const { apiUrl, clientId, clientSecret, attribution } = JSON.parse(process.argv[2]);

(async () => {
  const op = new OpenPanel({ apiUrl, clientId, clientSecret });
  const answers = {};
  answers.anonymous = await op.track("op_view", { page: "/" });
  answers.again = await op.track("op_view", { page: "/two" });
  answers.identify = await op.identify({ profileId: "op-user", firstName: "Ada", properties: { plan: "pro" } });
  answers.track = await op.track("op_buy", { price: 5, groups: ["acme"], ...attribution });
  answers.group = await op.upsertGroup({ id: "acme", type: "org", name: "Acme", properties: { seats: 3 } });
  answers.assign = await op.setGroup("acme");
  answers.increment = await op.increment({ profileId: "op-user", property: "visits", value: 2 });
  answers.decrement = await op.decrement({ profileId: "op-user", property: "credits", value: 1 });
  answers.ids = [op.getDeviceId(), op.getSessionId()];
  // Queued until the profile is known: the time it happened is the time it was queued.
  const late = new OpenPanel({ apiUrl, clientId, clientSecret, waitForProfile: true });
  await late.track("op_queued", {});
  late.identify({ profileId: "op-late" });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const stranger = new OpenPanel({ apiUrl, clientId, clientSecret: "wrong" });
  answers.stranger = await stranger.track("op_stranger", {});
  console.log(JSON.stringify(answers));
})();
