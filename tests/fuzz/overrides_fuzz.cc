// Overrides, a line each, of a spec that has something at every kind of path.

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "libs/spec/text_format.h"
#include "tests/fuzz/fuzz_input.h"
#include "trainyard/spec/ssd/v1/experiment.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trainyard;
  spec::ssd::v1::Experiment experiment;
  experiment.mutable_dataset_config()->add_data_sources()->set_tfrecords_path("a");
  (*experiment.mutable_augmentation_config()->mutable_image_mean())["b"] = 1;
  experiment.mutable_ssd_config()->add_freeze_blocks(1);
  const std::string before = experiment.SerializeAsString();
  const std::vector<std::string> lines = absl::StrSplit(fuzz::AsText(data, size), '\n');
  if (!trainyard::spec::ApplyOverrides(lines, &experiment).ok()) {
    fuzz::Require(experiment.SerializeAsString() == before);
  }
  return 0;
}
