// Label files. What is taken can be written as a line, which reads back as the same line.

#include <string>

#include "libs/data/kitti.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trainyard;
  const trainyard::data::KittiLabels labels =
      trainyard::data::ParseKittiLabels(fuzz::AsText(data, size), "labels/a.txt", "images/a.jpg");
  for (const trainyard::data::KittiObject& object : labels.objects) {
    const std::string line = trainyard::data::FormatKittiLine(object);
    // Behind a line break, as a first line may begin with a byte order mark.
    const trainyard::data::KittiLabels again =
        trainyard::data::ParseKittiLabels("\n" + line, "labels/a.txt", "images/a.jpg");
    // Two decimals may make a narrow box flat, which is refused.
    if (again.objects.empty()) continue;
    fuzz::Require(again.objects.size() == 1 &&
                  trainyard::data::FormatKittiLine(again.objects[0]) == line);
  }
  fuzz::Require(static_cast<int64_t>(labels.objects.size()) <= labels.lines);
  return 0;
}
