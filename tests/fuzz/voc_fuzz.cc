// Label files of Pascal VOC.

#include <string>

#include "libs/data/formats/voc.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trainyard;
  const trainyard::data::KittiLabels labels = trainyard::data::ParseVocLabels(
      fuzz::AsText(data, size), "Annotations/a.xml", "JPEGImages/a", {640, 480});
  if (labels.lines == 0) {
    fuzz::Require(labels.objects.empty() && labels.refused.size() <= 1);
    return 0;
  }
  fuzz::Require(static_cast<int64_t>(labels.objects.size() + labels.refused.size()) == labels.lines);
  for (const trainyard::data::KittiObject& object : labels.objects) {
    fuzz::Require(!object.type.empty() && object.box.x1 < object.box.x2);
  }
  return 0;
}
