// Categories of what Node and V8 allocate for themselves, by function names from the leaf. Pure.
import type { NamedStack } from '../symbols/index.js';

/** The first that fits the function nearest to the allocation counts. */
const categories: readonly (readonly [RegExp, string])[] = [
  [
    /^(?:v8::(?:internal::)?(?:BackingStore|ArrayBuffer::)|node::NodeArrayBufferAllocator|node::DebuggingArrayBufferAllocator|v8::ArrayBuffer)/,
    'backing store',
  ],
  [/^v8::internal::(?:Zone|Segment|AccountingAllocator)\b/, 'V8 zone'],
  [
    /^v8::internal::(?:CodeRange|CodeManager|OptimizedCompilationJob|TurbofanCompilationJob|compiler::|baseline::|maglev::|Assembler|wasm::|RegExpMacroAssembler)/,
    'V8 code and compilers',
  ],
  [
    /^v8::internal::(?:MemoryAllocator|MemoryChunk|Page\b|PageMetadata|LargePage|SemiSpace|NewSpace|PagedSpace|Heap\b|HeapAllocator|Sweeper|MarkingWorklist|SlotSet|TypedSlotSet|RememberedSet|ConcurrentMarking|heap::|::heap::)|^(?:heap::base|cppgc)::/,
    'V8 heap',
  ],
  [/^(?:deflate|inflate|gzip|zng_|z_|node::zlib::|Brotli|ZSTD_|zcalloc|_tr_)/, 'zlib'],
  [
    /^(?:CRYPTO_|OPENSSL_|EVP_|SSL_|ssl_|X509|x509|ASN1_|asn1_|BIO_|BN_|RSA_|EC_|ERR_|OSSL_|ossl_|PEM_|LHASH|OBJ_|RAND_|node::crypto::|ncrypto::)/,
    'OpenSSL',
  ],
  [/^(?:uv_|uv__)/, 'libuv'],
  [/^(?:ares_|node::cares_wrap::)/, 'c-ares'],
  [/^(?:icu_\d+::|u_\w+_\d+|uprv_|ucnv_|udata_|ures_|uloc_)/, 'ICU'],
  [/^(?:nghttp2_|node::http2::)/, 'nghttp2'],
  [/^(?:napi_|node_api_|v8impl::)/, 'Node-API'],
  [/^v8::/, 'V8'],
  [/^node::/, 'Node'],
];

export function runtimeCategory(stack: NamedStack): string | null {
  for (const frame of stack.frames) {
    if (frame.kind !== 'native' || frame.function === null) continue;
    // Without a return type, as templates have it: "void* v8::internal::..."
    const name = frame.function.replace(/^(?:void|bool|char|unsigned char|int)\s*[*&]*\s+/, '');
    const found = categories.find(([pattern]) => pattern.test(name));
    if (found !== undefined) return found[1];
  }
  return null;
}
