// The demo bank as the tests see it: the built binary, in a data directory of its
// own, on free ports, known by its demo.json alone.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

// npm builds it before it runs anything here.
const binary = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'bin', 'renkei');
const portsOfADemo = 8;

function free(port) {
  return new Promise((resolve) => {
    const probe = net.createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

async function freePorts() {
  for (;;) {
    const first = 20000 + 10 * Math.floor(Math.random() * 1200);
    const all = await Promise.all(Array.from({ length: portsOfADemo }, (_, n) => free(first + n)));
    if (all.every(Boolean)) return first;
  }
}

export class Demo {
  /** Opens a demo bank; `options` go to its command line. */
  static async open(...options) {
    const demo = new Demo();
    demo.folder = await mkdtemp(join(tmpdir(), 'renkei-e2e-'));
    demo.data = join(demo.folder, 'data');
    demo.options = options;
    demo.port = await freePorts();
    await demo.start();
    return demo;
  }

  async start() {
    this.log = '';
    const begun = performance.now();
    this.process = spawn(binary, ['demo', '--data', this.data, '--listen', `127.0.0.1:${this.port}`, ...this.options], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.ended = new Promise((resolve) => this.process.once('exit', (code, signal) => resolve(code ?? signal)));
    this.process.stderr.on('data', (text) => { this.log += text; });
    const page = await new Promise((resolve, reject) => {
      let said = '';
      this.process.stdout.on('data', (text) => {
        said += text;
        const found = said.match(/http:\/\/localhost:\d+\//);
        if (found) resolve(found[0]);
      });
      this.ended.then((status) => reject(new Error(`the demo ended with ${status}: ${said}${this.log}`)));
    });
    this.startedIn = performance.now() - begun;
    this.startPage = page;
    this.manifest = JSON.parse(await readFile(join(this.data, 'demo.json'), 'utf8'));
    this.ca = join(this.data, this.manifest.ca);
  }

  /** Stops as Ctrl-C does and returns the exit status. */
  async stop() {
    this.process.kill('SIGINT');
    return this.ended;
  }

  async restart() {
    const status = await this.stop();
    if (status !== 0) throw new Error(`the demo stopped with ${status}: ${this.log}`);
    await this.start();
  }

  async close() {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  user(name) {
    const found = this.manifest.users.find((user) => user.name === name);
    if (!found) throw new Error(`demo.json has no user ${name}`);
    return found;
  }

  /** The partner that offers a choice of functions, and the one that does not. */
  get choosing() { return this.manifest.partners[0]; }
  get fixed() { return this.manifest.partners[1]; }
  get issuer() { return this.manifest.institutions[0].issuer; }
  get bank() { return this.manifest.institutions[0].name; }

  p12(user) {
    return { path: join(this.data, user.certificate.p12), passphrase: user.certificate.passphrase };
  }

  /** Every host name on which certificates are asked for. */
  get certificateOrigins() {
    const port = Number(new URL(this.issuer).port) + 3;
    return Array.from({ length: 9 }, (_, n) => `https://cert${n + 1}.localhost:${port}`);
  }
}
