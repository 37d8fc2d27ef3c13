//! `require`: the built-in modules, and packages as npm lays them out.

use serde_json::json;

use crate::party::Worker;

fn value(script: &str) -> String {
    let answer =
        Worker::eval(&format!("callback(null, String(await (async () => {{ {script} }})()));"));
    assert_eq!(answer.status, 200, "{script}: {:?}", answer.failure);
    answer.body
}

#[test]
fn built_in_modules_do_what_nodes_do() {
    for (script, expected) in [
        (
            "return require('crypto').createHmac('sha1', 'key').update('text').digest('base64');",
            "Np4pWetJRQM4shJ0j3fY3tdIR7s=",
        ),
        (
            "return require('node:crypto').createHash('sha256').update('a').update('b').digest('hex').slice(0, 8);",
            "fb8e20fc",
        ),
        ("return Buffer.from('héllo').toString('hex');", "68c3a96c6c6f"),
        (
            "return Buffer.concat([Buffer.from('aGk', 'base64'), Buffer.alloc(2, '.')]).toString();",
            "hi..",
        ),
        ("return require('path').join('/a', '../b', './c.txt');", "/b/c.txt"),
        (
            "return require('querystring').stringify({ a: ['1', '2'], b: 'c d' });",
            "a=1&a=2&b=c%20d",
        ),
        (
            "const u = new URL('/x?a=1', 'https://h.example.org:8080'); u.searchParams.append('b', 'ü'); return u.href;",
            "https://h.example.org:8080/x?a=1&b=%C3%BC",
        ),
        ("return require('url').parse('http://u:p@h:81/p?q=1#f').host;", "h:81"),
        ("return require('util').format('%s is %d, %j', 'a', 1, { b: 2 });", "a is 1, {\"b\":2}"),
        (
            "return require('util').inspect({ a: [1, { b: { c: {} } }], d: 'x' });",
            "{ a: [ 1, { b: [Object] } ], d: 'x' }",
        ),
        (
            "const { gzipSync, gunzipSync } = require('zlib'); return gunzipSync(gzipSync('text')).toString();",
            "text",
        ),
        (
            "const e = new (require('events'))(); let n = 0; e.once('x', (v) => { n += v; }); e.emit('x', 2); e.emit('x', 2); return n;",
            "2",
        ),
        (
            "let t = ''; for await (const part of require('stream').Readable.from(['a', 'b'])) t += part; return t;",
            "ab",
        ),
        ("return await new Promise((done) => setTimeout(done, 5, 'later'));", "later"),
        ("return new TextDecoder().decode(new TextEncoder().encode('ä'));", "ä"),
        ("return atob(btoa('bytes'));", "bytes"),
        ("return structuredClone({ a: new Date(0) }).a.toISOString();", "1970-01-01T00:00:00.000Z"),
        (
            "return require('jsonwebtoken').verify(require('jsonwebtoken').sign({ a: 1 }, 'key'), 'key').a;",
            "1",
        ),
        (
            "return Twilio.validateRequest('12345', 'GvWf1cFY/Q7PnoempGyD5oXAezc=', 'https://mycompany.com/myapp.php?foo=1&bar=2', { CallSid: 'CA1234567890ABCDE', Caller: '+14158675310', Digits: '1234', From: '+14158675310', To: '+18005551212' });",
            "true",
        ),
        (
            "return new Twilio.jwt.AccessToken('AC1', 'SK1', 'secret', { identity: 'i' }).toJwt().split('.').length;",
            "3",
        ),
        ("return require('fs').existsSync('/nowhere');", "false"),
    ] {
        assert_eq!(value(script), expected, "{script}");
    }
}

#[test]
fn packages_are_found_by_main_exports_and_nesting() {
    let mut worker = Worker::of(
        &[(
            "it",
            "exports.handler = (c, e, done) => done(null, [require('a'), require('@s/b/part'), require('@s/b').name, require('a/package.json').version]);",
        )],
        &[],
        &[
            ("a/package.json", "{\"version\":\"1.2.3\",\"main\":\"./lib/main\"}"),
            ("a/lib/main.js", "module.exports = 'a' + require('c');"),
            ("a/node_modules/c/index.js", "module.exports = ' with its own c';"),
            ("c/index.js", "module.exports = ' with the wrong c';"),
            (
                "@s/b/package.json",
                "{\"name\":\"b\",\"exports\":{\".\":{\"import\":\"./x.mjs\",\"require\":\"./x.cjs\"},\"./*\":\"./parts/*.js\"}}",
            ),
            ("@s/b/x.cjs", "exports.name = __filename;"),
            ("@s/b/parts/part.js", "module.exports = 'part';"),
        ],
    );
    assert_eq!(
        worker.run("it", json!({})).body,
        "[\"a with its own c\",\"part\",\"/app/node_modules/@s/b/x.cjs\",\"1.2.3\"]"
    );
}
