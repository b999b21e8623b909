// Debian's Chromium under Playwright, with a home of its own in which the demo's
// certificate authority is trusted: TLS is verified as for a person.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { certificateStore, reachDemo } from './trust.mjs';

export const desktop = { width: 1280, height: 800 };
export const phone = { width: 375, height: 667 };

export class Chromium {
  /** Opens a browser; `flags` are switches of Chromium's beside those it has here. */
  static async open(demo, flags = []) {
    const opened = new Chromium();
    opened.demo = demo;
    opened.home = await mkdtemp(join(tmpdir(), 'renkei-chromium-'));
    await certificateStore(join(opened.home, '.pki', 'nssdb'), demo.ca);
    reachDemo(demo.ca);
    opened.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      env: { ...process.env, HOME: opened.home },
      // Playwright turns the cache off for which "back" needs a test.
      ignoreDefaultArgs: ['--disable-back-forward-cache'],
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync', ...flags],
    });
    return opened;
  }

  /**
   * A person at a browser of their own. `holder` is a user of demo.json whose
   * certificate the browser presents wherever the bank asks for one.
   */
  async person({ size = desktop, language = 'ja-JP', scripts = true, holder, ...options } = {}) {
    const clientCertificates = holder && this.demo.certificateOrigins.map((origin) => {
      const { path, passphrase } = this.demo.p12(holder);
      return { origin, pfxPath: path, passphrase };
    });
    const context = await this.browser.newContext({
      viewport: size, locale: language, timezoneId: 'Asia/Tokyo', javaScriptEnabled: scripts,
      reducedMotion: 'reduce', ...(clientCertificates && { clientCertificates }), ...options,
    });
    context.setDefaultTimeout(15_000);
    return context;
  }

  async close() {
    await this.browser.close();
    await rm(this.home, { recursive: true, force: true });
  }
}
