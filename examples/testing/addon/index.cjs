const { digest, digestFixed } = require('./build/tiny_digest.node');

module.exports = { digest, digestFixed };
