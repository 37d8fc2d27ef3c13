module.exports = require('internal_http')(false);
