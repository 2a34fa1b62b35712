// npm @openfeature/ofrep-web-provider with @openfeature/web-sdk. It has no browser here: the storage and the document
// that it looks for are there, and every request is written down.
const stored = new Map();
globalThis.localStorage = {
  getItem: (key) => stored.get(key) ?? null,
  setItem: (key, value) => void stored.set(key, String(value)),
  removeItem: (key) => void stored.delete(key),
};
const { OpenFeature } = require("@openfeature/web-sdk");
const { OFREPWebProvider } = require("@openfeature/ofrep-web-provider");
const { baseUrl, key, flag, contexts, change } = JSON.parse(process.argv[2]);

const requests = [];
const fetchImplementation = async (request, options) => {
  const sent = request.headers.get("if-none-match");
  const response = await fetch(request, options);
  requests.push({ sent, status: response.status, etag: response.headers.get("etag") });
  return response;
};

(async () => {
  const provider = new OFREPWebProvider({
    baseUrl,
    fetchImplementation,
    cacheMode: "disabled",
    headers: [["X-API-Key", key]],
  });
  await OpenFeature.setProviderAndWait(provider, contexts[0]);
  const client = OpenFeature.getClient();
  const answers = [client.getStringDetails(flag, "fallback")];
  for (const context of contexts.slice(1)) {
    await OpenFeature.setContext(context);
    answers.push(client.getStringDetails(flag, "fallback"));
  }
  if (change) {
    // The configuration changes while the page is open.
    await fetch(change.url, { method: change.method, headers: change.headers, body: change.body });
    await provider._refreshFlags("test");
    answers.push(client.getStringDetails(flag, "fallback"));
  }
  console.log(JSON.stringify({ answers, requests }));
  process.exit(0);
})();
