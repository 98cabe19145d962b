// The three readers of specs. What is accepted prints and reads back as the same text.

#include <string>
#include <vector>

#include "libs/networks/ssd/ssd_spec.h"
#include "libs/spec/augment_spec.h"
#include "libs/spec/dataset_spec.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

template <typename Message, typename Reader>
void ReadTwice(absl::string_view text, const Reader& reader) {
  std::vector<std::string> warnings;
  const absl::StatusOr<Message> message = reader(text, &warnings);
  if (!message.ok()) return;
  const std::string printed = trainyard::spec::PrintCanonical(*message);
  const absl::StatusOr<Message> again = reader(printed, &warnings);
  trainyard::fuzz::Require(again.ok() && trainyard::spec::PrintCanonical(*again) == printed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trainyard;
  const absl::string_view text = fuzz::AsText(data, size);
  ReadTwice<spec::ssd::v1::Experiment>(text, [](absl::string_view t, auto* warnings) {
    return trainyard::networks::LoadExperiment(t, "spec.txt", {}, trainyard::spec::SpecUse::kTrain,
                                               warnings);
  });
  ReadTwice<spec::dataset::v1::DatasetExportConfig>(text, [](absl::string_view t, auto* warnings) {
    return trainyard::spec::LoadDatasetExport(t, "spec.txt", {}, false, warnings);
  });
  ReadTwice<spec::augment::v1::AugmentConfig>(text, [](absl::string_view t, auto* warnings) {
    return trainyard::spec::LoadAugment(t, "spec.txt", {}, warnings);
  });
  return 0;
}
