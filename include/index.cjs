// Where memprof.h lies, for binding.gyp and CMake:
//   "include_dirs": ["<!(node -p \"require('memprof/include').dir\")"]
module.exports = { dir: __dirname };
