// The official Node.js driver against the server of record: node mongo.mjs HOST:PORT none|zlib|snappy|zstd
import { MongoClient } from "mongodb";

const [, , address, compressor] = process.argv;
const client = new MongoClient(`mongodb://${address}/?directConnection=true`, {
  appName: "record-node",
  maxPoolSize: 2,
  compressors: compressor === "none" ? [] : [compressor],
});
try {
  const orders = client.db("shop").collection("node_orders");
  await orders.insertMany(Array.from({ length: 120 }, (_, i) => ({ _id: i, user: i % 4, total: i })), { comment: "fill.js:3" });
  const found = await orders.find({ user: { $in: [1, 2] } }, { batchSize: 25, comment: '{"callingFunction":"Orders.list"}' }).toArray();
  if (found.length !== 60) throw new Error(`found ${found.length}, want 60`);
  await orders.updateOne({ _id: 5 }, { $inc: { total: 1 } }, { comment: "load@cart.js:10:3" });
  await orders.aggregate([{ $match: { total: { $gte: 50 } } }, { $count: "n" }], { comment: "report" }).toArray();
  await orders.findOneAndUpdate({ _id: 6 }, { $set: { paid: true } });
  await orders.deleteMany({ user: 3 });
  await orders.insertOne({ _id: 1 }).then(
    () => { throw new Error("inserting twice was taken"); },
    (e) => { if (e.code !== 11000) throw e; },
  );
} finally {
  await client.close();
}
