#ifndef GPS_TRACK_TRACK_H
#define GPS_TRACK_TRACK_H

#include <string>
#include <vector>

struct Track {
  std::vector<double> degrees;  // latitude, longitude, latitude, ...
  double km = 0;
};

// Appends the points of "53.55,9.99;53.56,10.01"; false at the first that is not two numbers.
bool read_points(const std::string& text, Track& track);

#endif
