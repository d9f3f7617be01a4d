// Stands for @mongodb-js/zstd, the addon that the driver asks for zstd and that downloads compiled code when it is
// installed: the same two functions by WebAssembly out of a package that brings it along.
const zstd = require('@bokuweb/zstd-wasm');
const ready = zstd.init();
exports.compress = async (b, level = 3) => (await ready, Buffer.from(zstd.compress(b, level)));
exports.decompress = async (b) => (await ready, Buffer.from(zstd.decompress(b)));
