'use strict';
module.exports = {
  EOL: '\n', arch: () => 'x64', platform: () => 'linux', type: () => 'Linux', release: () => '0.0.0', version: () => '',
  hostname: () => 'function', homedir: () => '/app', tmpdir: () => '/tmp', endianness: () => 'LE', uptime: () => host.now() / 1000,
  cpus: () => [], totalmem: () => 268435456, freemem: () => 0, loadavg: () => [0, 0, 0], networkInterfaces: () => ({}),
  userInfo: () => ({ username: 'function', uid: -1, gid: -1, shell: null, homedir: '/app' }), constants: { signals: {}, errno: {} },
};
