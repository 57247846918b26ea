// The benchmark's addon: allocations of C++ code that is called from JavaScript. Built as most addons
// are: optimised, without frame pointers.
#include <node_api.h>

#include <map>
#include <memory>
#include <string>

namespace {

#define APART __attribute__((noinline, noclone))

struct Point {
  double x, y, z;
};

uint32_t number_argument(napi_env env, napi_callback_info info, uint32_t* second) {
  size_t count = 2;
  napi_value arguments[2];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  uint32_t first = 0;
  napi_get_value_uint32(env, arguments[0], &first);
  if (second != nullptr) napi_get_value_uint32(env, arguments[1], second);
  return first;
}

APART size_t make_name(uint32_t seed) {
  std::string name(24 + seed % 40, 'x');
  __asm__ volatile("" ::"r"(name.data()) : "memory");
  return name.size();
}

APART size_t make_point(uint32_t seed) {
  auto point = std::make_unique<Point>(Point{double(seed), 0, 0});
  __asm__ volatile("" ::"r"(point.get()) : "memory");
  return point->x > 1e9 ? 1 : 0;
}

APART size_t work(uint32_t pairs) {
  size_t sum = 0;
  for (uint32_t i = 0; i < pairs; i += 2) sum += make_name(i) + make_point(i);
  return sum;
}

APART size_t descend(uint32_t depth, uint32_t pairs) {
  size_t sum = depth == 0 ? work(pairs) : descend(depth - 1, pairs);
  __asm__ volatile("" ::: "memory");
  return sum;
}

/** churn(depth, pairs): two kinds of small objects, made and dropped `depth` calls down. */
napi_value churn(napi_env env, napi_callback_info info) {
  uint32_t pairs = 0;
  uint32_t depth = number_argument(env, info, &pairs);
  napi_value result;
  napi_create_double(env, double(descend(depth, pairs)), &result);
  return result;
}

/** buildMap(count): a map of strings by number, built and dropped. */
napi_value build_map(napi_env env, napi_callback_info info) {
  uint32_t count = number_argument(env, info, nullptr);
  std::map<uint32_t, std::string> names;
  for (uint32_t i = 0; i < count; ++i) names.emplace(i * 2654435761u, std::string(40, 'a' + i % 26));
  napi_value result;
  napi_create_double(env, double(names.size()), &result);
  return result;
}

napi_value init(napi_env env, napi_value exports) {
  napi_value function;
  napi_create_function(env, "churn", NAPI_AUTO_LENGTH, churn, nullptr, &function);
  napi_set_named_property(env, exports, "churn", function);
  napi_create_function(env, "buildMap", NAPI_AUTO_LENGTH, build_map, nullptr, &function);
  napi_set_named_property(env, exports, "buildMap", function);
  return exports;
}

}  // namespace

NAPI_MODULE(bench, init)
