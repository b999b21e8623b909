// What a browser needs to trust the demo's certificate authority and, in Firefox,
// to hold a customer's certificate: a certificate store that lives with the test.
// Nothing is put into the stores of the machine.
import { execFile } from 'node:child_process';
import dns from 'node:dns';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import tls from 'node:tls';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Makes a store in `folder` that trusts `ca`, with the given .p12 files in it. */
export async function certificateStore(folder, ca, ...bundles) {
  const store = `sql:${folder}`;
  await mkdir(folder, { recursive: true });
  await run('certutil', ['-N', '-d', store, '--empty-password']);
  await run('certutil', ['-A', '-d', store, '-n', 'demo', '-t', 'C,,', '-i', ca]);
  for (const { path, passphrase } of bundles) {
    await run('pk12util', ['-i', path, '-d', store, '-W', passphrase, '-K', '']);
  }
}

let patched = false;

/**
 * Lets Playwright present client certificates to *.localhost: it opens those
 * connections from this process, which resolves no such names and trusts no CA of
 * a demo by itself. The demo's server certificates are verified all the same.
 */
export function reachDemo(ca) {
  trusted.push(readFileSync(ca));
  if (patched) return;
  patched = true;
  const lookup = dns.lookup;
  dns.lookup = (name, options, callback) => {
    const local = name === 'localhost' || name.endsWith('.localhost');
    return lookup(local ? '127.0.0.1' : name, options, callback);
  };
  const asked = dns.promises.lookup;
  dns.promises.lookup = (name, options) => asked(name.endsWith('.localhost') ? '127.0.0.1' : name, options);
  const create = tls.createSecureContext;
  tls.createSecureContext = (options) => {
    const made = create(options);
    for (const one of trusted) made.context.addCACert(one);
    return made;
  };
}

const trusted = [];
