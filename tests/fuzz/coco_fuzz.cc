// Files of COCO annotations: every annotation that is taken has an image and a category.

#include <string>

#include "libs/data/formats/coco.h"
#include "libs/data/formats/coco_look.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trainyard;
  const auto text = fuzz::AsText(data, size);
  trainyard::data::internal::LookOfJson(text);
  const auto file = trainyard::data::ParseCoco(text, "a.json");
  if (!file.ok()) return 0;
  int64_t annotations = 0;
  for (int64_t i = 0; i < static_cast<int64_t>(file->images.size()); ++i) {
    const trainyard::data::KittiLabels labels =
        trainyard::data::CocoLabels(*file, i, "a", {640, 480});
    fuzz::Require(labels.objects.size() + labels.refused.size() == file->Of(i).size());
    for (const trainyard::data::KittiObject& object : labels.objects) {
      fuzz::Require(!object.type.empty() && object.box.x1 < object.box.x2);
    }
    annotations += labels.lines;
  }
  fuzz::Require(annotations == static_cast<int64_t>(file->annotations.size()));
  return 0;
}
