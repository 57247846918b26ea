const { parseTrack } = require('./build/Release/gps_track.node');

module.exports = { parseTrack };
