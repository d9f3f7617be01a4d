// A browser-grade HTTP client (undici's fetch) against the shop of record: keep-alive, parallel requests, a streamed upload.
const base = process.argv[2];
const read = async (path, init) => {
  const answer = await fetch(base + path, init);
  await answer.arrayBuffer();
  return answer.status;
};
const want = async (status, got) => {
  if ((await got) !== status) throw new Error(`want ${status}, got ${await got}`);
};
await want(200, read("/cart/1"));
await Promise.all([2, 3, 4].map((id) => want(200, read(`/cart/${id}`))));
await want(201, read("/cart/1/pay", { method: "POST", body: JSON.stringify({ card: "4711" }), headers: { "content-type": "application/json" } }));
const stream = new ReadableStream({
  start(c) {
    for (let i = 0; i < 3; i++) c.enqueue(new TextEncoder().encode(`part ${i}\n`));
    c.close();
  },
});
await want(201, read("/cart/2/pay", { method: "POST", body: stream, duplex: "half" }));
await want(200, read("/stream"));
await want(204, read("/cart/3", { method: "DELETE" }));
await want(404, read("/nowhere"));
await want(503, read("/fail"));
