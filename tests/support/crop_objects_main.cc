// Makes a classification set of a KITTI set: every labelled object cut out, in a folder of its
// class.
//
//     crop-objects IMAGES LABELS OUT [MIN_PIXELS [MIN_COUNT]]
//
// Objects of no more than MIN_PIXELS pixels (400) and classes of fewer than MIN_COUNT objects (20)
// are left out. OUT gets train, val and test: 70, 15 and 15 % of the images.

#include <cstdio>
#include <string>

#include "absl/strings/numbers.h"
#include "tests/support/crop_objects.h"

int main(int argc, char** argv) {
  trainyard::testing::CropOptions options;
  if (argc < 4 || argc > 6 || (argc > 4 && !absl::SimpleAtoi(argv[4], &options.min_pixels)) ||
      (argc > 5 && !absl::SimpleAtoi(argv[5], &options.min_count))) {
    fprintf(stderr, "usage: crop-objects IMAGES LABELS OUT [MIN_PIXELS [MIN_COUNT]]\n");
    return 2;
  }
  options.image_dir = argv[1];
  options.label_dir = argv[2];
  options.out = argv[3];
  const auto report = trainyard::testing::CropObjects(options);
  if (!report.ok()) {
    fprintf(stderr, "crop-objects: %s\n", std::string(report.status().message()).c_str());
    return 1;
  }
  for (const std::string& line : report->Describe()) printf("%s\n", line.c_str());
  return 0;
}
