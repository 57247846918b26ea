#include "owners.h"

#include <dlfcn.h>
#include <string.h>

#include <algorithm>
#include <new>

#include "memory.h"

namespace memprof {
namespace {

// How long to look for externals in arrays, maps and closures, beyond objects' own named properties: processor time,
// so that what is found does not depend on what else the machine does.
constexpr uint64_t kDeepSearchNs = 1'000'000'000;
constexpr size_t kNamedProperties = 1024;
constexpr size_t kMaxVisited = 2'000'000;
constexpr uint32_t kNoClass = UINT32_MAX >> 1;
constexpr uint32_t kMixedViews = UINT32_MAX - 1;

// A row before its names are known. Objects have a serial number of their own.
struct Found {
  uint64_t address;
  uint64_t sizeBytes;
  uint64_t buffer;  // ARRAYBUFFER: the object, to be asked for among the views
  uint32_t snapshotId;
  uint32_t serial;
  uint32_t classIndex;
  uint32_t kind;
};

// A v8::External: what its pointer means is found out afterwards.
struct External {
  uint64_t object;  // tagged
  uint64_t value;
  uint32_t snapshotId;        // of the external
  uint32_t holderSnapshotId;  // of the object that has it as its own property
  uint32_t holderSerial;      // 0: none is known
  uint32_t holderClass : 31;
  uint32_t isField : 1;  // an internal field of the holder
};
// There are as many as wrapped objects, and V8 has its own list of all objects beside them.
static_assert(sizeof(External) == 32 && sizeof(Found) == 40);

class Search final : public Predicate {
 public:
  Search(const V8Api& v8, const Layout& layout, void* profiler, bool withIds)
      : v8_(v8), layout_(layout), profiler_(profiler), withIds_(withIds) {
    image_range(reinterpret_cast<const void*>(v8.queryObjects), &imageLow_, &imageHigh_);
  }

  bool filter(Local object) override;
  // All objects were listed: gives back what only that needs.
  void end_listing() {
    seenExternals_.release();
    visited_.release();
  }

  // What the objects that filter() said true to are, in their order.
  struct Chosen {
    uint32_t classIndex;
    uint32_t wasmSerial;  // a WebAssembly.Memory, to be asked for its buffer; 0: the first of its class
    uint32_t snapshotId;
  };
  Pages<Chosen> chosen;
  Pages<Found> found{2'000'000};
  Pages<External> externals{2'000'000};
  WordMap<uint32_t> viewClasses{2'000'000};  // of a buffer: the class of its views
  ReadableRanges ranges;
  bool isCut = false;
  uint32_t serials = 0;
  bool could_read() const { return canRead_; }

 private:
  bool begin();
  bool is_known_object(uintptr_t word, uintptr_t* map);
  uint32_t class_of(uintptr_t map, bool* isNew);
  uint32_t id_of(uintptr_t tagged);
  void add(const Found& row) {
    if (!found.push(row)) isCut = true;
  }
  bool buffer(Local handle, uintptr_t object, uintptr_t map);
  bool view(uintptr_t object, uintptr_t map);
  bool fields(Local handle, uintptr_t object, uintptr_t map, int count, int start);
  bool own_word(uintptr_t word, uintptr_t object, uintptr_t map, bool isField);
  bool own_array(uintptr_t array, uintptr_t object, uintptr_t map, size_t length);
  void external(uintptr_t tagged, uintptr_t holder, uintptr_t holderMap, bool isField, bool* isNewClass);
  void deep(uintptr_t word);
  void deep_word(uintptr_t word);
  bool is_late();
  uint32_t serial() { return serial_ == 0 ? serial_ = ++serials : serial_; }

  const V8Api& v8_;
  const Layout& layout_;
  void* profiler_;
  bool withIds_;
  bool hasBegun_ = false, canRead_ = false, isDeepOver_ = false;
  uintptr_t metaMap_ = 0, imageLow_ = 0, imageHigh_ = 0;
  uint64_t deepEndNs_ = 0;
  uint32_t deepSteps_ = 0;
  uint32_t serial_ = 0;  // of the object under way; 0: none given yet
  WordMap<uint32_t> classes_{200'000};
  WordMap<Nothing> seenExternals_{2'000'000};
  WordMap<Nothing> visited_{kMaxVisited};
  Pages<uintptr_t> pending_{4'000'000};
};

// Only once the collection is over: it moves and unmaps.
bool Search::begin() {
  hasBegun_ = true;
  canRead_ = ranges.load();
  deepEndNs_ = processor_ns() + kDeepSearchNs;
  return canRead_;
}

// The map of maps is its own map: whatever has a map whose map it is, is an object of V8's heap.
bool Search::is_known_object(uintptr_t word, uintptr_t* map) {
  if (!is_heap_object(word) || !ranges.has(untag(word), 16)) return false;
  uintptr_t mapWord = word_at(untag(word), 0);
  if (!is_heap_object(mapWord) || !ranges.has(untag(mapWord), 80)) return false;
  uintptr_t metaWord = word_at(untag(mapWord), 0);
  if (untag(metaWord) != metaMap_) {
    // Each realm may have a map of maps of its own.
    if (!is_heap_object(metaWord) || !ranges.has(untag(metaWord), 80) ||
        word_at(untag(metaWord), 0) != metaWord) {
      return false;
    }
    metaMap_ = untag(metaWord);
  }
  *map = untag(mapWord);
  return true;
}

uint32_t Search::class_of(uintptr_t map, bool* isNew) {
  bool isFirst = false;
  uint32_t* index = classes_.insert(map, static_cast<uint32_t>(classes_.count()), &isFirst);
  if (index == nullptr) {
    isCut = true;
    return kNoClass;
  }
  *isNew |= isFirst;
  return *index;
}

uint32_t Search::id_of(uintptr_t tagged) {
  if (!withIds_) return 0;
  uintptr_t slot = tagged;
  return v8_.objectId(profiler_, {&slot});
}

bool Search::filter(Local handle) {
  if (!hasBegun_) begin();
  if (!canRead_) return false;
  uintptr_t object = untag(*handle.slot);
  uintptr_t map = map_of(object);
  uint32_t type = type_of_map(layout_, map);
  serial_ = 0;
  bool isNewClass = false;
  if (type == layout_.typeArrayBuffer) {
    isNewClass = buffer(handle, object, map);
  } else if (type == layout_.typeTypedArray || type == layout_.typeDataView) {
    isNewClass = view(object, map);
  } else {
    int sizeWords = static_cast<int>(size_words_of_map(layout_, map));
    int start = *reinterpret_cast<const uint8_t*>(map + layout_.mapPropertiesStart);
    int count = v8_.internalFieldCount(handle.slot);
    if (count > 0 && start - count >= 3 && start <= sizeWords) {
      isNewClass = fields(handle, object, map, count, start);
    } else {
      count = 0;
    }
    for (int i = 3; i < sizeWords; i++) {
      if (i < start - count || i >= start)
        isNewClass |= own_word(word_at(object, static_cast<size_t>(i) * 8), object, map, false);
    }
    isNewClass |= own_word(word_at(object, 16), object, map, false);
  }
  isNewClass |= own_word(word_at(object, 8), object, map, false);
  if (type == layout_.typeWasmMemory) {
    bool unused = false;
    chosen.push({class_of(map, &unused), serial(), id_of(*handle.slot)});
    return true;
  }
  if (isNewClass) chosen.push({*classes_.find(map), 0, 0});
  return isNewClass;
}

bool Search::buffer(Local handle, uintptr_t object, uintptr_t map) {
  uintptr_t store = word_at(object, layout_.bufferStore);
  size_t bytes = word_at(object, layout_.bufferLength);
  if (store == 0 || bytes == 0) return false;
  bool isNewClass = false;
  uint32_t kind = v8_.isSharedArrayBuffer(handle.slot) ? MP_OWNER_SHARED_ARRAYBUFFER : MP_OWNER_ARRAYBUFFER;
  add({store, bytes, *handle.slot, id_of(*handle.slot), serial(), class_of(map, &isNewClass), kind});
  return isNewClass;
}

bool Search::view(uintptr_t object, uintptr_t map) {
  uintptr_t buffer = word_at(object, layout_.viewBuffer);
  if (!is_heap_object(buffer)) return false;
  // A small array's elements lie in V8's heap, and its buffer is an empty one.
  if (word_at(untag(buffer), layout_.bufferStore) == 0) return false;
  bool isNewClass = false, isNewBuffer;
  uint32_t index = class_of(map, &isNewClass);
  uint32_t* views = viewClasses.insert(buffer, index, &isNewBuffer);
  if (views != nullptr && *views != index) *views = kMixedViews;
  return isNewClass;
}

// The embedder's fields end where the properties begin. A field is a pointer of the embedder's, a small
// integer, or an object.
bool Search::fields(Local handle, uintptr_t object, uintptr_t map, int count, int start) {
  bool isNewClass = false;
  for (int i = start - count; i < start; i++) {
    uintptr_t word = word_at(object, static_cast<size_t>(i) * 8);
    if (is_heap_object(word)) {
      isNewClass |= own_word(word, object, map, true);
      continue;
    }
    bool isSmallInteger = (word & 0xffffffff) == 0;
    // How Node marks objects as its own: the address of a constant, or of a number in the isolate's data.
    bool isMark = (word >= imageLow_ && word < imageHigh_) || (word & 7) != 0;
    if (isSmallInteger || isMark || word < 65536 || word >> 47 != 0) continue;
    add({word, 0, 0, id_of(*handle.slot), serial(), class_of(map, &isNewClass), MP_OWNER_INTERNAL_FIELD});
  }
  return isNewClass;
}

// A tagged word of the object itself: an external, or an array that may hold some.
bool Search::own_word(uintptr_t word, uintptr_t object, uintptr_t map, bool isField) {
  uintptr_t wordMap;
  if (!is_known_object(word, &wordMap)) return false;
  uint32_t type = type_of_map(layout_, wordMap);
  bool isNewClass = false;
  if (type == layout_.typeExternal) {
    external(word, object, map, isField, &isNewClass);
  } else if (type == layout_.typePropertyArray) {
    isNewClass = own_array(untag(word), object, map, property_array_length(untag(word)));
  } else if (type >= layout_.firstContextType && type <= layout_.lastContextType) {
    deep(word);
  } else if (layout_.is_array(type)) {
    isNewClass = own_array(untag(word), object, map, array_length(layout_, untag(word)));
  }
  return isNewClass;
}

bool Search::own_array(uintptr_t array, uintptr_t object, uintptr_t map, size_t length) {
  bool isNewClass = false;
  if (length == 0 || !ranges.has(array, 16 + length * 8)) return false;
  for (size_t i = 0; i < length; i++) {
    uintptr_t word = word_at(array, 16 + i * 8), wordMap;
    // Named properties are few: where wraps are is looked at whatever the hour.
    if (i >= kNamedProperties && is_late()) break;
    if (!is_known_object(word, &wordMap)) continue;
    uint32_t type = type_of_map(layout_, wordMap);
    if (type == layout_.typeExternal) {
      external(word, object, map, false, &isNewClass);
    } else if (layout_.is_array(type) || type == layout_.typePropertyCell || type == layout_.typeCell) {
      deep(word);
    }
  }
  return isNewClass;
}

void Search::external(uintptr_t tagged, uintptr_t holder, uintptr_t holderMap, bool isField,
                      bool* isNewClass) {
  bool isNew;
  if (seenExternals_.insert(tagged, {}, &isNew) == nullptr) isCut = true;
  if (!isNew) return;
  External row{tagged,           word_at(untag(tagged), layout_.externalValue), id_of(tagged), 0, 0, kNoClass,
               isField ? 1u : 0u};
  if (holder != 0) {
    row.holderSerial = serial();
    row.holderClass = class_of(holderMap, isNewClass);
    row.holderSnapshotId = id_of(holder | 1);
  }
  if (!externals.push(row)) isCut = true;
}

// What no object has for itself: closures' variables, the insides of maps. Bounded in time and memory.
void Search::deep(uintptr_t word) {
  if (isDeepOver_) return;
  pending_.push(word);
  while (pending_.count() > 0) {
    uintptr_t next = pending_[pending_.count() - 1];
    pending_.cut(pending_.count() - 1);
    deep_word(next);
    if (isDeepOver_) pending_.clear();
  }
}

bool Search::is_late() {
  if (!isDeepOver_ && (++deepSteps_ & 4095) == 0 && processor_ns() > deepEndNs_) isDeepOver_ = isCut = true;
  return isDeepOver_;
}

void Search::deep_word(uintptr_t word) {
  bool isNew;
  if (visited_.insert(word, {}, &isNew) == nullptr) {
    isDeepOver_ = isCut = true;
    return;
  }
  uintptr_t map;
  if (!isNew || !is_known_object(word, &map)) return;
  uint32_t type = type_of_map(layout_, map);
  // A cell's value is one of its first words; the others are harmless.
  size_t length = type == layout_.typePropertyCell ? 2
                  : type == layout_.typeCell       ? 0
                  : layout_.is_array(type)         ? array_length(layout_, untag(word))
                                                   : SIZE_MAX;
  if (length == SIZE_MAX || !ranges.has(untag(word), 16 + length * 8)) return;
  for (size_t i = 0; i < length + 1; i++) {
    uintptr_t inner = word_at(untag(word), 8 + i * 8), innerMap;
    if (is_late()) return;
    if (!is_known_object(inner, &innerMap)) continue;
    uint32_t innerType = type_of_map(layout_, innerMap);
    bool unused = false;
    if (innerType == layout_.typeExternal) {
      external(inner, 0, 0, false, &unused);
    } else if (layout_.is_array(innerType) || innerType == layout_.typePropertyCell ||
               innerType == layout_.typeCell) {
      pending_.push(inner);
    }
  }
}

// V8's own bookkeeping while it lists objects is not the program's: the shim leaves it out. But not what
// its collections allocate: tasks are freed by other threads.
class ShimQuiet {
 public:
  ShimQuiet(const V8Api& v8, void* isolate) : v8_(v8), isolate_(isolate) {
    begin_ = function<void()>("memprof_begin_quiet");
    end_ = function<void()>("memprof_end_quiet");
    pause_ = function<void(uint32_t)>("memprof_pause_quiet");
    isOn_ = begin_ != nullptr && end_ != nullptr && pause_ != nullptr;
    if (!isOn_) return;
    v8_.addPrologue(isolate_, before_collection, this, kAllKinds);
    v8_.addEpilogue(isolate_, after_collection, this, kAllKinds);
    begin_();
  }
  ~ShimQuiet() {
    if (!isOn_) return;
    end_();
    v8_.removePrologue(isolate_, before_collection, this);
    v8_.removeEpilogue(isolate_, after_collection, this);
  }
  ShimQuiet(const ShimQuiet&) = delete;
  ShimQuiet& operator=(const ShimQuiet&) = delete;

 private:
  static constexpr int kAllKinds = 0x1f;
  static void before_collection(void*, int, int, void* self) { static_cast<ShimQuiet*>(self)->pause_(1); }
  static void after_collection(void*, int, int, void* self) { static_cast<ShimQuiet*>(self)->pause_(0); }
  template <typename F>
  static F* function(const char* name) {
    return reinterpret_cast<F*>(dlsym(RTLD_DEFAULT, name));
  }

  const V8Api& v8_;
  void* isolate_;
  void (*begin_)();
  void (*end_)();
  void (*pause_)(uint32_t);
  bool isOn_;
};

// ---- afterwards

// V8's own name of an object's class: of its map's constructor, or of data properties; it calls nothing.
uint32_t class_name(napi_env env, const V8Api& v8, uintptr_t* slot, OwnerList* list) {
  char name[256];
  size_t bytes = 0;
  Local text = v8.constructorName(slot);
  if (text.slot == nullptr || napi_get_value_string_utf8(env, reinterpret_cast<napi_value>(text.slot), name,
                                                         sizeof(name), &bytes) != napi_ok) {
    bytes = 0;
  }
  return list->intern(name, bytes);
}

// "ArrayBuffer (Buffer)": what the program sees of most array buffers is one kind of view.
uint32_t buffer_class(uint32_t bufferName, uint32_t viewName, OwnerList* list) {
  char name[600];
  const char* own = &list->strings[bufferName];
  const char* views = &list->strings[viewName];
  size_t ownBytes = strlen(own), viewBytes = strlen(views);
  if (ownBytes + viewBytes + 3 > sizeof(name)) return bufferName;
  memcpy(name, own, ownBytes);
  memcpy(name + ownBytes, " (", 2);
  memcpy(name + ownBytes + 2, views, viewBytes);
  name[ownBytes + 2 + viewBytes] = ')';
  return list->intern(name, ownBytes + viewBytes + 3);
}

// What an external's pointer leads to: the Reference of a napi_wrap, Node's wrapper around the pointer of a
// napi_create_external, or whatever a raw V8 addon put there. Native memory is read in batches.
class Meanings {
 public:
  static constexpr size_t kBatch = 1024;
  static constexpr size_t kWords = 16;

  Meanings(const Layout& layout, Search& search, uint32_t externalClass)
      : layout_(layout), search_(search), externalClass_(externalClass) {}

  // At most kBatch.
  void add(const External* externals, size_t count) {
    uintptr_t addresses[kBatch];
    // A small piece at the end of a mapping is read short of its end; none of Node's is there.
    for (size_t i = 0; i < count; i++) addresses[i] = plausible(externals[i].value) ? externals[i].value : 0;
    copy_pieces(addresses, count, kWords * 8, reinterpret_cast<char*>(words_), isRead_, search_.ranges);
    for (size_t i = 0; i < count; i++) {
      bool isNode = isRead_[i] && reference_of(i) == nullptr && plausible(words_[i][0]);
      addresses[i] = isNode ? words_[i][0] : 0;
    }
    copy_pieces(addresses, count, 8, reinterpret_cast<char*>(backs_), hasBack_, search_.ranges);
    for (size_t i = 0; i < count; i++) {
      if (!search_.found.push(meaning_of(externals[i], i))) search_.isCut = true;
    }
  }

 private:
  static bool plausible(uintptr_t address) {
    return address >= 65536 && (address & 7) == 0 && address >> 47 == 0;
  }

  const Layout::Reference* reference_of(size_t i) const {
    for (int k = 0; k < layout_.referenceCount; k++) {
      if (isRead_[i] && words_[i][0] == layout_.references[k].vtable) return &layout_.references[k];
    }
    return nullptr;
  }

  Found meaning_of(const External& external, size_t i) {
    const Layout::Reference* reference = external.holderSerial == 0 ? nullptr : reference_of(i);
    if (reference != nullptr) {
      return of_holder(external, words_[i][reference->data / 8], MP_OWNER_WRAP);
    }
    bool isWrapper = isRead_[i] && hasBack_[i] && backs_[i] == external.object;
    uintptr_t data = isWrapper ? words_[i][layout_.wrapperData / 8] : external.value;
    // An external in an internal field stands for its object.
    if (external.isField) return of_holder(external, data, MP_OWNER_EXTERNAL);
    return {data, 0, 0, external.snapshotId, ++search_.serials, externalClass_, MP_OWNER_EXTERNAL};
  }

  static Found of_holder(const External& external, uintptr_t data, uint32_t kind) {
    return {data, 0, 0, external.holderSnapshotId, external.holderSerial, external.holderClass, kind};
  }

  const Layout& layout_;
  Search& search_;
  uint32_t externalClass_;
  uintptr_t words_[kBatch][kWords];
  uintptr_t backs_[kBatch];
  bool isRead_[kBatch], hasBack_[kBatch];
};

void append(Search& search, const Layout& layout, Pages<uint32_t>& names, uint32_t isolate, OwnerList* list) {
  uint32_t externalClass = static_cast<uint32_t>(names.count());
  names.push(list->intern("External", 8));
  if (void* memory = map_pages(sizeof(Meanings))) {
    Meanings* meanings = new (memory) Meanings(layout, search, externalClass);
    for (size_t done = 0; done < search.externals.count(); done += Meanings::kBatch) {
      meanings->add(search.externals.begin() + done,
                    std::min(Meanings::kBatch, search.externals.count() - done));
      search.externals.forget(done);
    }
    unmap_pages(memory, sizeof(Meanings));
  } else {
    search.isCut = true;
  }
  WordMap<uint32_t> bufferNames(100'000);
  std::sort(search.found.begin(), search.found.end(),
            [](const Found& a, const Found& b) { return a.serial < b.serial; });
  uint32_t last = 0;
  for (size_t i = 0; i < search.found.count(); i++) {
    const Found& found = search.found[i];
    if (i % Meanings::kBatch == 0) search.found.forget(i);
    if (found.address == 0) continue;
    uint32_t name = found.classIndex < names.count() ? names[found.classIndex] : list->intern("", 0);
    uint32_t* views = found.buffer == 0 ? nullptr : search.viewClasses.find(found.buffer);
    if (views != nullptr && *views < names.count()) {
      bool isNew;
      uint32_t* joined =
          bufferNames.insert((static_cast<uint64_t>(name) << 32 | names[*views]) + 1, name, &isNew);
      if (isNew) *joined = buffer_class(name, names[*views], list);
      if (joined != nullptr) name = *joined;
    }
    if (found.serial != last) list->objectCount++;
    last = found.serial;
    if (!list->rows.push({found.address, found.sizeBytes, found.snapshotId, list->objectCount - 1, name,
                          found.kind, isolate})) {
      search.isCut = true;
    }
  }
  list->isCut |= search.isCut;
}

// The names of all classes in their order, and what only V8 can tell.
void ask(const Environment& self, const Globals& objects, Search& search, Pages<uint32_t>& names,
         OwnerList* list) {
  const V8Api& v8 = agent().v8;
  const Layout& layout = agent().layout;
  napi_value bufferPrototype = nullptr;
  napi_get_reference_value(self.env, self.bufferPrototype, &bufferPrototype);
  uint32_t unnamed = list->intern("", 0);
  size_t count = std::min<size_t>(static_cast<size_t>(objects.end - objects.begin), search.chosen.count());
  for (size_t i = 0; i < count; i++) {
    const Search::Chosen& chosen = search.chosen[i];
    uintptr_t* slot = objects.begin[i];
    while (names.count() <= chosen.classIndex && names.push(unnamed)) {}
    if (chosen.classIndex >= names.count()) continue;
    // Buffers that C++ made have the name of what they were before they got their prototype.
    bool isBuffer = bufferPrototype != nullptr && word_at(map_of(untag(*slot)), layout.mapPrototype) ==
                                                      *reinterpret_cast<const uintptr_t*>(bufferPrototype);
    names[chosen.classIndex] = isBuffer                 ? list->intern("Buffer", 6)
                               : chosen.wasmSerial != 0 ? list->intern("WebAssembly.Memory", 18)
                                                        : class_name(self.env, v8, slot, list);
    if (chosen.wasmSerial == 0) continue;
    Local buffer = v8.wasmBuffer(slot);
    if (buffer.slot == nullptr) continue;
    uintptr_t object = untag(*buffer.slot);
    search.found.push({word_at(object, layout.bufferStore), word_at(object, layout.bufferLength), 0,
                       chosen.snapshotId, chosen.wasmSerial, chosen.classIndex, MP_OWNER_WASM_MEMORY});
  }
}

}  // namespace

uint32_t OwnerList::intern(const char* name, size_t bytes) {
  bytes = strnlen(name, bytes);
  uint64_t key = UINT64_C(0xcbf29ce484222325);
  for (size_t i = 0; i < bytes; i++) key = (key ^ static_cast<uint8_t>(name[i])) * UINT64_C(0x100000001b3);
  uint32_t offset = static_cast<uint32_t>(strings.count());
  for (key |= 1;; key += 2) {
    bool isNew;
    uint32_t* known = names_.insert(key, offset, &isNew);
    if (known == nullptr || strings.room() <= bytes) {
      isCut = true;
      return 0;
    }
    if (isNew) break;
    if (strlen(&strings[*known]) == bytes && memcmp(&strings[*known], name, bytes) == 0) return *known;
  }
  for (size_t i = 0; i < bytes; i++) strings.push(name[i]);
  strings.push('\0');
  return offset;
}

void OwnerList::append(const OwnerList& other) {
  uint32_t firstObject = objectCount;
  for (OwnerRow row : other.rows) {
    const char* name = &other.strings[row.className];
    row.className = intern(name, strlen(name));
    row.object += firstObject;
    if (!rows.push(row)) isCut = true;
  }
  objectCount += other.objectCount;
  isCut |= other.isCut;
}

bool find_owners(const Environment& self, bool withIds, OwnerList* list) {
  const V8Api& v8 = agent().v8;
  const Layout& layout = agent().layout;
  void* isolate = v8.currentIsolate();
  napi_handle_scope scope;
  if (isolate == nullptr || napi_open_handle_scope(self.env, &scope) != napi_ok) return false;
  void* profiler = v8.heapProfiler(isolate);
  Search search(v8, layout, profiler, withIds);
  Globals objects;
  {
    ShimQuiet quiet(v8, isolate);
    v8.queryObjects(profiler, v8.currentContext(isolate), &search, &objects);
    search.end_listing();
  }
  {
    // No name can need a line of JavaScript; should one, V8 throws here and the program sees nothing.
    alignas(16) char noJavascript[256], tryCatch[256];
    v8.tryCatch(tryCatch, isolate);
    v8.disallowJavascript(noJavascript, isolate, 1);
    Pages<uint32_t> names(200'001);
    ask(self, objects, search, names, list);
    append(search, layout, names, self.isolate, list);
    v8.allowJavascript(noJavascript);
    v8.endTryCatch(tryCatch);
  }
  for (uintptr_t** each = objects.begin; each != objects.end; each++) v8.disposeGlobal(*each);
  ::operator delete(objects.begin);
  napi_close_handle_scope(self.env, scope);
  return search.could_read();
}

}  // namespace memprof
