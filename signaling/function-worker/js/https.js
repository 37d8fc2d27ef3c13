module.exports = require('internal_http')(true);
