// Label files. What is taken can be written as a line that is taken again.

#include "libs/data/kitti.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace trainyard;
  const KittiLabels labels =
      ParseKittiLabels(fuzz::AsText(data, size), "labels/a.txt", "images/a.jpg");
  for (const KittiObject& object : labels.objects) FormatKittiLine(object);
  fuzz::Require(static_cast<int64_t>(labels.objects.size()) <= labels.lines);
  return 0;
}
