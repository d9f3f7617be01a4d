// usage: node main.mjs CLEARTEXT SECURE CA: asks pitot as programs of Node.js do, and prints what it got as JSON.
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import fs from "node:fs";
import grpc from "@grpc/grpc-js";

const [cleartext, secure, caFile] = process.argv.slice(2);
const ca = fs.readFileSync(caFile);

function read(stream) {
  return new Promise((resolve, reject) => {
    let n = 0;
    stream.on("data", (b) => (n += b.length));
    stream.on("end", () => resolve(n));
    stream.on("error", reject);
  });
}

function overHTTP1(module, options) {
  return new Promise((resolve, reject) => {
    const request = module.request({ ...options, method: "PUT", headers: { host: "shop.test" } }, (answer) => {
      let body = "";
      answer.on("data", (b) => (body += b));
      answer.on("end", () => resolve(body));
    });
    request.on("error", reject);
    for (let i = 0; i < 64; i++) request.write(Buffer.alloc(16384));
    request.end();
  });
}

async function overHTTP2(url) {
  const session = http2.connect(url, { ca, servername: "shop.test" });
  const failed = new Promise((_, reject) => session.on("error", reject));
  const asked = Array.from({ length: 100 }, () => read(session.request({ ":path": "/h2/bytes/100000" }).end()));
  const sizes = await Promise.race([Promise.all(asked), failed]);
  session.close();
  return sizes.reduce((a, b) => a + b, 0);
}

const identity = (b) => b;
const Echo = grpc.makeGenericClientConstructor({
  unary: { path: "/grpc.testing.TestService/EmptyCall", requestStream: false, responseStream: false, requestSerialize: identity, responseDeserialize: identity },
  missing: { path: "/grpc.testing.TestService/Nothing", requestStream: false, responseStream: false, requestSerialize: identity, responseDeserialize: identity },
}, "TestService");

async function overGRPC(address, credentials) {
  const client = new Echo(address, credentials, { "grpc.ssl_target_name_override": "shop.test", "grpc.default_authority": "grpc.test" });
  const call = (method) => new Promise((resolve) => client[method](Buffer.alloc(0), (err) => resolve(err ? err.code : 0)));
  const codes = await Promise.all([...Array.from({ length: 50 }, () => call("unary")), call("missing")]);
  client.close();
  return codes;
}

const [host, port] = secure.split(":");
const [plainHost, plainPort] = cleartext.split(":");
console.log(JSON.stringify({
  http1: await overHTTP1(http, { host: plainHost, port: plainPort, path: "/h1/sum" }),
  https: await overHTTP1(https, { host, port, path: "/h2s/sum", ca, servername: "shop.test" }),
  http2: await overHTTP2("http://" + cleartext),
  http2s: await overHTTP2("https://" + secure),
  grpc: await overGRPC(cleartext, grpc.credentials.createInsecure()),
  grpcs: await overGRPC(secure, grpc.credentials.createSsl(ca)),
}));
