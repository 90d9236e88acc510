// A program of node's that runs guests through an addon: node has handlers for the same signals, and its own
// WebAssembly traps by them too. node host.js addon.node guest.wasm [how to die]
'use strict';
const assert = require('assert');
const childProcess = require('child_process');
const fs = require('fs');
const { Worker, isMainThread, workerData } = require('worker_threads');

const [addonPath, wasmPath, end] = isMainThread ? process.argv.slice(2) : workerData;
const gbx = require(addonPath);
const bytes = fs.readFileSync(wasmPath);

// The same module in V8: its loads out of bounds are faults that node's handler takes.
function v8Traps() {
  const imports = { env: { back: (v) => v } };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), imports);
  for (const address of [65536, -1]) {
    assert.throws(() => exports.oob(address), WebAssembly.RuntimeError);
  }
  assert.throws(() => exports.div(0), WebAssembly.RuntimeError);
  assert.throws(() => exports.deep(0), RangeError);
  assert.strictEqual(exports.add(40, 2), 42);
}

function guestTraps(guest) {
  const call = (name, a = 0, b = 0) => gbx.call(guest, name, a, b);
  assert.strictEqual(call('oob', 65536), 'memory-out-of-bounds');
  assert.strictEqual(call('oob', -1), 'memory-out-of-bounds');
  assert.strictEqual(call('div', 0), 'integer-divide-by-zero');
  assert.strictEqual(call('deep', 0), 'stack-exhausted');
  assert.strictEqual(call('gone'), 'unreachable');
  assert.strictEqual(call('add', 40, 2), 42);
}

const tests = {
  around() {
    const guest = gbx.open((v) => {
      v8Traps();
      return v + 1;
    });
    guestTraps(guest);
    v8Traps();
    for (let i = 0; i < 20; i++) assert.strictEqual(gbx.call(guest, 'through', i, 0), i + 1);
    gbx.close(guest);
  },

  nested() {
    const guest = gbx.open((v) => {
      v8Traps();
      guestTraps(guest);
      return v === 0 ? 100 : gbx.call(guest, 'through', v - 1, 0) + 1;
    });
    assert.strictEqual(gbx.call(guest, 'through', 10, 0), 110);
    gbx.close(guest);
  },

  exceptions() {
    const guest = gbx.open((v) => {
      throw new TypeError(`not ${v}`);
    });
    assert.throws(() => gbx.call(guest, 'through', 7, 0), /not 7/);
    guestTraps(guest);
    gbx.close(guest);
  },

  async threads() {
    const rounds = Array.from({ length: 8 }, async () => {
      const guest = gbx.open((v) => v);
      for (let i = 0; i < 20; i++) {
        const ends = gbx.callAsync(guest, 'oob');
        v8Traps();
        assert.strictEqual(await ends, 'memory-out-of-bounds');
      }
      gbx.close(guest);
    });
    await Promise.all(rounds);
  },

  async workers() {
    const run = () => new Promise((done, fail) => {
      new Worker(__filename, { workerData: [addonPath, wasmPath] }).on('error', fail).on('exit', done);
    });
    assert.deepStrictEqual(await Promise.all([run(), run(), run()]), [0, 0, 0]);
  },

  async interrupt() {
    const guest = gbx.open((v) => v);
    const interrupted = new Promise((done) => {
      process.once('SIGINT', () => {
        gbx.cancel(guest);
        done();
      });
    });
    const ends = gbx.callAsync(guest, 'spin');
    process.kill(process.pid, 'SIGINT');
    await interrupted;
    assert.strictEqual(await ends, 'cancelled');
    guestTraps(guest);
    gbx.close(guest);
  },

  crashes() {
    for (const how of ['SIGSEGV', 'SIGABRT']) {
      const child = childProcess.spawnSync(process.execPath, [__filename, addonPath, wasmPath, how]);
      assert.strictEqual(child.signal, how, `${child.stdout}${child.stderr}`);
      assert.strictEqual(child.stdout.toString(), 'guests have trapped\n');
    }
  },
};

async function main() {
  v8Traps();
  if (isMainThread) gbx.start(wasmPath);
  if (!isMainThread || end) {
    const guest = gbx.open((v) => v);
    guestTraps(guest);
    v8Traps();
    if (isMainThread) fs.writeSync(1, 'guests have trapped\n');
    if (end === 'SIGABRT') process.abort();
    if (end) process.kill(process.pid, end);
    gbx.close(guest);
    return;
  }
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test();
      console.log(`PASS hosts/node/${name}`);
    } catch (error) {
      console.log(error);
      console.log(`FAIL hosts/node/${name}`);
      process.exitCode = 1;
    }
  }
  v8Traps();
}

main();
