// A night's import: 2,000 tracks as they came from the devices. In every tenth the last point was cut off.
const { parseTrack } = require('./index.js');

function recordedTrack(number) {
  const points = [];
  for (let i = 0; i < 100; i++) points.push(`${53 + i / 1000},${10 + ((number + i) % 90) / 1000}`);
  if (number % 10 === 0) points.push('53.1');
  return points.join(';');
}

function importTracks(count) {
  let km = 0;
  let brokenCount = 0;
  for (let number = 0; number < count; number++) {
    try {
      km += parseTrack(recordedTrack(number)).km;
    } catch {
      brokenCount++;
    }
  }
  return { km, brokenCount };
}

const { km, brokenCount } = importTracks(2000);
console.log(`${Math.round(km)} km imported, ${brokenCount} tracks were broken`);
