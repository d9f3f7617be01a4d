// Talks to the server at argv[2] with the official driver and prints one JSON object of what it saw.
// argv[3] names a compressor, or is empty. Every failure ends with status 1 and its text.
import assert from 'node:assert/strict';
import { MongoClient, MongoBulkWriteError, MongoServerError } from 'mongodb';

const [, , uri, compressor] = process.argv;
const client = new MongoClient(uri, {
  compressors: compressor ? [compressor] : [],
  serverSelectionTimeoutMS: 30000,
  monitorCommands: true,
  appName: 'pitot-node-test',
});
const commands = {};
client.on('commandStarted', (e) => { commands[e.commandName] = (commands[e.commandName] ?? 0) + 1; });

try {
  const db = client.db('node_' + (compressor || 'plain'));
  await db.dropDatabase();
  const coll = db.collection('things');

  const docs = Array.from({ length: 300 }, (_, i) => ({ _id: i, kind: i % 3, tags: ['t' + (i % 5)], text: 'word '.repeat(40) }));
  assert.equal((await coll.insertMany(docs)).insertedCount, 300);
  const found = await coll.find({ kind: 1, _id: { $gte: 10 } }, { comment: 'things.js:12' }).sort({ _id: -1 }).batchSize(20).project({ kind: 1 }).toArray();
  assert.equal(found.length, 97);
  assert.deepEqual(found[0], { _id: 298, kind: 1 });
  assert.equal(await coll.countDocuments({ kind: 2 }), 100);
  assert.equal(await coll.estimatedDocumentCount(), 300);
  assert.deepEqual((await coll.distinct('tags')).sort(), ['t0', 't1', 't2', 't3', 't4']);

  const groups = await coll.aggregate([{ $match: { _id: { $lt: 30 } } }, { $group: { _id: '$kind', n: { $sum: 1 } } }, { $sort: { _id: 1 } }]).toArray();
  assert.deepEqual(groups, [{ _id: 0, n: 10 }, { _id: 1, n: 10 }, { _id: 2, n: 10 }]);

  await assert.rejects(coll.insertOne({ _id: 5 }), (e) => e instanceof MongoServerError && e.code === 11000 && e.keyValue._id === 5);
  await assert.rejects(coll.insertMany([{ _id: 900 }, { _id: 5 }, { _id: 901 }], { ordered: false }),
    (e) => e instanceof MongoBulkWriteError && e.result.insertedCount === 2);
  await assert.rejects(db.command({ noSuchThing: 1 }), (e) => e.code === 59 && e.codeName === 'CommandNotFound');

  const changed = await coll.updateMany({ kind: 1 }, { $set: { seen: true }, $inc: { n: 2 }, $push: { tags: 'new' } });
  assert.deepEqual([changed.matchedCount, changed.modifiedCount], [100, 100]);
  const upserted = await coll.updateOne({ _id: 'up' }, { $setOnInsert: { made: 1 } }, { upsert: true });
  assert.equal(upserted.upsertedId, 'up');
  const after = await coll.findOneAndUpdate({ _id: 'up' }, { $currentDate: { at: true } }, { returnDocument: 'after' });
  assert.ok(after.at instanceof Date);
  assert.equal((await coll.deleteMany({ kind: 2 })).deletedCount, 100);
  const bulk = await coll.bulkWrite([{ insertOne: { document: { _id: 'b1' } } }, { updateOne: { filter: { _id: 'b1' }, update: { $set: { x: 1 } } } }, { deleteOne: { filter: { _id: 'b1' } } }]);
  assert.deepEqual([bulk.insertedCount, bulk.modifiedCount, bulk.deletedCount], [1, 1, 1]);

  const both = await client.bulkWrite([
    { name: 'insertOne', namespace: db.databaseName + '.things', document: { _id: 'c1' } },
    { name: 'insertOne', namespace: db.databaseName + '.others', document: { _id: 'c1' } },
    { name: 'deleteOne', namespace: db.databaseName + '.things', filter: { _id: 'c1' } },
  ], { comment: 'both.js:3' });
  assert.deepEqual([both.insertedCount, both.deletedCount], [2, 1]);
  await db.collection('others').drop();

  await coll.createIndex({ sku: 1 }, { unique: true, sparse: true });
  assert.deepEqual((await coll.indexes()).map((i) => i.name), ['_id_', 'sku_1']);

  const session = client.startSession();
  await session.withTransaction(async () => {
    await coll.insertOne({ _id: 'txn' }, { session });
    await coll.updateOne({ _id: 'txn' }, { $set: { ok: 1 } }, { session });
  });
  session.startTransaction();
  await coll.deleteOne({ _id: 'txn' }, { session });
  await session.abortTransaction();
  await session.endSession();
  assert.equal((await coll.findOne({ _id: 'txn' })).ok, 1);

  const cursor = coll.find({}, { batchSize: 5 });
  await cursor.next();
  await cursor.close();
  await coll.insertOne({ _id: 'quiet' }, { writeConcern: { w: 0 } });
  assert.equal((await db.admin().buildInfo()).versionArray[0] >= 4, true);
  assert.equal((await db.listCollections().toArray())[0].name, 'things');
  console.log(JSON.stringify({ commands }));
} finally {
  await client.close();
}
