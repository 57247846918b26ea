// addon-map ADDON ENTRIES ROUNDS: builds and drops a std::map from JavaScript.
const [, , addonPath, entries, rounds] = process.argv;
const { buildMap } = require(addonPath);
for (let i = 0; i < rounds; i++) buildMap(Number(entries));
