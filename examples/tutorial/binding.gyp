{
  "targets": [{
    "target_name": "gps_track",
    "sources": ["src/addon.cc", "src/track.cc"],
    "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
    "defines": ["NAPI_VERSION=8", "NAPI_CPP_EXCEPTIONS"],
    "cflags": ["-g"],
    "cflags_cc!": ["-fno-exceptions"]
  }]
}
