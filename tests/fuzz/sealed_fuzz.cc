// Sealed files, opened without a key and with one.

#include "libs/sealing/model_file.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trainyard;
  const fuzz::MemoryFile file(fuzz::AsText(data, size));
  const auto kind = trainyard::sealing::PeekSealed(file.path());
  if (!kind.ok()) return 0;
  for (const char* key : {"", "key"}) (void)trainyard::sealing::LoadSealed(file.path(), *kind, key);
  return 0;
}
