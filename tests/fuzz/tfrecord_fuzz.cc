// A file of TFRecords, the examples in it, and the bytes as an example by themselves.

#include "libs/base/records.h"
#include "libs/data/tfrecord/example.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

void Decode(absl::string_view bytes) {
  const auto example = trainyard::data::DecodeExample(bytes);
  if (!example.ok()) return;
  trainyard::fuzz::Require(example->x1.size() == example->objects());
  // Only this form is written.
  if (example->form == trainyard::data::RecordForm::kTao)
    trainyard::fuzz::Require(
        trainyard::data::DecodeExample(trainyard::data::EncodeExample(*example)).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trainyard;
  const absl::string_view bytes = fuzz::AsText(data, size);
  Decode(bytes);
  const fuzz::MemoryFile file(bytes);
  auto reader = RecordReader::Open(file.path());
  fuzz::Require(reader.ok());
  while (true) {
    const auto record = reader->Next();
    if (!record.ok()) return 0;
    Decode(*record);
  }
}
