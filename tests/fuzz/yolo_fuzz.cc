// Label files of YOLO and the lists of classes that belong to them.

#include <string>

#include "libs/data/formats/folder_tree.h"
#include "libs/data/formats/yolo.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trainyard;
  const auto text = fuzz::AsText(data, size);
  trainyard::data::internal::LookOfText(text);
  for (const auto& names : {trainyard::data::ParseYoloYaml(text, "data.yaml"),
                            trainyard::data::ParseYoloList(text, "classes.txt")}) {
    if (!names.ok()) continue;
    for (size_t i = 0; i < names->names.size(); ++i) {
      fuzz::Require(!names->Of(static_cast<int64_t>(i)).empty());
    }
  }
  const trainyard::data::KittiLabels labels =
      trainyard::data::ParseYoloLabels(text, "labels/a.txt", "images/a", {640, 480}, {});
  fuzz::Require(labels.lines == 0 || static_cast<int64_t>(labels.objects.size() +
                                                          labels.refused.size()) == labels.lines);
  return 0;
}
