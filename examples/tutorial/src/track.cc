#include "track.h"

#include <cmath>
#include <cstdlib>

namespace {

double km_between(const double* from, const double* to) {
  const double radian = 3.14159265358979 / 180;
  const double north = (to[0] - from[0]) * radian;
  const double east = (to[1] - from[1]) * radian * std::cos(from[0] * radian);
  return 6371 * std::sqrt(north * north + east * east);
}

}  // namespace

bool read_points(const std::string& text, Track& track) {
  for (const char* at = text.c_str(); *at != '\0';) {
    char* end = nullptr;
    const double latitude = std::strtod(at, &end);
    if (end == at || *end != ',') return false;
    at = end + 1;
    const double longitude = std::strtod(at, &end);
    if (end == at || (*end != ';' && *end != '\0')) return false;
    at = *end == ';' ? end + 1 : end;

    track.degrees.push_back(latitude);
    track.degrees.push_back(longitude);
    const size_t count = track.degrees.size();
    if (count >= 4) track.km += km_between(&track.degrees[count - 4], &track.degrees[count - 2]);
  }
  return true;
}
