// Drives Debian's Chromium for Test::Gate::Browser, with a profile of its own
// that is gone with it: one order a line of stdin, one answer a line of stdout,
// both JSON.  An answer has "value" or "error".  Ends with stdin.
//
//   { "do": "page", ... }   a new page in a world of its own: width, height,
//                           language, dark, touch; cert and key (files) and
//                           the origin they are for; what was open is closed
//   { "do": "open", "url": ... }          { "status", "headers", "url" }, null
//                                         if only what is behind "#" changed
//   { "do": "back" | "reload" }
//   { "do": "click" | "text" | "count", "at": selector }
//   { "do": "fill", "at": selector, "text": ... }
//   { "do": "choose", "at": selector, "text": ... }  of a select, by its value
//   { "do": "press", "key": ..., "times": ... }      as "Tab", "Enter"
//   { "do": "type", "text": ... }         where the focus is
//   { "do": "download", "at": selector }  what a click on it brings, as text
//   { "do": "wait", "at": selector }      until it is visible
//   { "do": "until", "script": ... }      until an expression is true
//   { "do": "run", "script": ... }        an expression's value
//   { "do": "look", "dark": ..., "width": ..., "height": ... }
//   { "do": "shot", "file": ..., "part": ... }  all of the page, as PNG, or
//                                         what the screen shows
//   { "do": "said" }                      what the console and errors said, and
//                                         requests that failed, since "page"
//   { "do": "asked" }                     the origins that requests went to
//   { "do": "axe" }                       faults of accessibility, a line each
//
// "world" names another page that is open beside, as of another person.

'use strict';

const fs = require('fs');
const path = require('path');
const readline = require('readline');

const modules = process.argv[2];
const { chromium } = require(path.join(modules, 'playwright-core'));
const axe = fs.readFileSync(path.join(modules, 'axe-core', 'axe.min.js'),
                            'utf8');

let browser, page, world;
const worlds = {};

const orders = {

    async page(o) {
        if (world.context) await world.context.close();

        world.said = [];
        world.asked = new Set();
        world.context = await browser.newContext({
            viewport: { width: o.width || 1280, height: o.height || 800 },
            locale: o.language || 'en',
            timezoneId: o.timezone,
            colorScheme: o.dark ? 'dark' : 'light',
            hasTouch: !!o.touch, isMobile: !!o.touch,
            deviceScaleFactor: o.touch ? 2 : 1,
            extraHTTPHeaders: o.headers || {},
            ignoreHTTPSErrors: true,
            clientCertificates: o.cert ? [ { origin: o.origin,
                                             certPath: o.cert,
                                             keyPath: o.key || o.cert } ] : [],
        });
        world.page = await world.context.newPage();
        listen(world);
    },

    async open(o) {
        const r = await page.goto(o.url);
        return { status: r && r.status(), headers: r && await r.allHeaders(),
                 url: page.url() };
    },

    async back() { await page.goBack(); },
    async reload() { await page.reload(); },
    async click(o) { await page.click(o.at, { timeout: 20000 }); },
    async fill(o) { await page.fill(o.at, o.text); },
    async choose(o) { await page.selectOption(o.at, o.text); },
    async type(o) { await page.keyboard.type(o.text); },
    async wait(o) { await page.waitForSelector(o.at); },
    async text(o) { return page.innerText(o.at); },
    async count(o) { return page.locator(o.at).count(); },
    async run(o) { return page.evaluate(o.script); },
    async said() { return world.said; },
    async asked() { return [ ...world.asked ]; },

    // not waitForFunction(): a page's policy may forbid it to evaluate texts

    async until(o) {
        for (const end = Date.now() + 30000; Date.now() < end;) {
            if (await page.evaluate(o.script)) return;
            await new Promise(resolve => setTimeout(resolve, 50));
        }

        throw new Error('it does not come to ' + o.script);
    },

    async press(o) {
        for (let i = 0; i < (o.times || 1); i++) {
            await page.keyboard.press(o.key);
        }
    },

    async download(o) {
        const [ download ] = await Promise.all([
            page.waitForEvent('download'), page.click(o.at) ]);

        return fs.readFileSync(await download.path(), 'utf8');
    },

    async look(o) {
        if (o.dark !== undefined) {
            await page.emulateMedia({ colorScheme: o.dark ? 'dark' : 'light' });
        }

        if (o.width) {
            await page.setViewportSize({ width: o.width, height: o.height });
        }
    },

    async shot(o) {
        await page.screenshot({ path: o.file, fullPage: !o.part });
    },

    async axe() {
        await page.evaluate(axe + '\n;0');
        const r = await page.evaluate('axe.run(document)');
        return r.violations.map(v => v.id + ': ' + v.help + ' ('
                                     + v.nodes.map(n => n.target).join(' ')
                                     + ')');
    },
};

function listen({ page, said, asked }) {
    page.on('console', m => {
        if (m.type() !== 'log') said.push(m.type() + ': ' + m.text());
    });
    page.on('pageerror', e => said.push('error: ' + e.message));
    page.on('request', r => asked.add(new URL(r.url()).origin));
    page.on('requestfailed', r => said.push('failed: ' + r.url()
                                              + ' ' + r.failure().errorText));
}

async function obey(line) {
    const order = JSON.parse(line);
    const name = order.world || '';

    world = worlds[name] = worlds[name] || {};
    page = world.page;

    try {
        const value = await orders[order.do](order);
        return { value: value === undefined ? null : value };

    } catch (e) {
        return { error: e.message };
    }
}

(async () => {
    browser = await chromium.launch({
        executablePath: '/usr/bin/chromium', headless: true,
        args: [ '--no-sandbox', '--disable-gpu', '--disable-quic',
                '--no-first-run', '--disable-background-networking',
                '--disable-component-update', '--disable-sync' ],
    });

    for await (const line of readline.createInterface(process.stdin)) {
        process.stdout.write(JSON.stringify(await obey(line)) + '\n');
    }

    await browser.close();
})();
