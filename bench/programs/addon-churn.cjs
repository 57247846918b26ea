// addon-churn ADDON CALLS: the addon's churn, called from a few functions deep.
const [, , addonPath, calls] = process.argv;
const { churn } = require(addonPath);
// With V8's entry, Node's module loader and main above them the stack at malloc is 59 frames deep.
const nativeDepth = 18;

function callMany() {
  let sum = 0;
  for (let i = 0; i < calls; i++) sum += churn(nativeDepth, 8);
  return sum;
}
function descend(more) {
  return more === 0 ? callMany() : descend(more - 1) + 0;
}
descend(8);
