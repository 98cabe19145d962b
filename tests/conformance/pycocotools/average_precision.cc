// Reads objects and detections from standard input and prints their average precision, so that
// other programs can be compared with ours. One line an entry:
//
//     object IMAGE CLASS X1 Y1 X2 Y2 DIFFICULT(0|1)
//     detection IMAGE CLASS X1 Y1 X2 Y2 SCORE
//
// Arguments: CLASSES, and the matching (tao, voc, coco). Prints `CLASS AP AP50` for every class and
// `mean AP AP50`.
#include "libs/tasks/detection/average_precision.h"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace {

struct Image {
  std::vector<trainyard::LabelledBox> objects;
  std::vector<trainyard::Detection> detections;
};

bool ReadImages(std::map<int, Image>& images) {
  std::string kind;
  while (std::cin >> kind) {
    int image = 0, class_id = 0;
    trainyard::Box box;
    float last = 0;
    std::cin >> image >> class_id >> box.x1 >> box.y1 >> box.x2 >> box.y2 >> last;
    if (!std::cin) return false;
    if (kind == "object") {
      images[image].objects.push_back({.box = box, .class_id = class_id, .difficult = last != 0});
    } else {
      images[image].detections.push_back({.box = box, .class_id = class_id, .score = last});
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: average-precision CLASSES tao|voc|coco\n");
    return 2;
  }
  const auto matching = trainyard::MatchingFromName(argv[2]);
  std::map<int, Image> images;
  if (!matching.ok() || !ReadImages(images)) {
    std::fprintf(stderr, "average-precision: bad matching or input\n");
    return 1;
  }
  std::vector<std::string> classes;
  for (int i = 1; i <= std::atoi(argv[1]); ++i) classes.push_back(std::to_string(i));
  trainyard::AveragePrecision ap(classes, {.matching = *matching});
  for (const auto& [id, image] : images) ap.Add(image.objects, image.detections);
  const trainyard::ApResult result = ap.Compute();
  for (const auto& one : result.classes) {
    std::printf("%s %.17g %.17g\n", one.name.c_str(), one.ap, one.ap50);
  }
  std::printf("mean %.17g %.17g\n", result.mean_ap, result.mean_ap50);
  return 0;
}
