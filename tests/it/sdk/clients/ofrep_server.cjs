// npm @openfeature/ofrep-provider with @openfeature/server-sdk: what each question is answered.
const { OpenFeature } = require("@openfeature/server-sdk");
const { OFREPProvider } = require("@openfeature/ofrep-provider");
const { baseUrl, key, questions } = JSON.parse(process.argv[2]);

(async () => {
  const headers = [["Authorization", `Bearer ${key}`]];
  await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl, headers }));
  const client = OpenFeature.getClient();
  const answers = [];
  for (const { type, flag, fallback, context } of questions) {
    answers.push(await client[`get${type}Details`](flag, fallback, context));
  }
  console.log(JSON.stringify(answers));
})();
