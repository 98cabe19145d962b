// Reads objects and detections from standard input and prints their average precision, so that
// other programs can be compared with ours. One line an entry:
//
//     object IMAGE CLASS X1 Y1 X2 Y2 DIFFICULT(0|1)
//     detection IMAGE CLASS X1 Y1 X2 Y2 SCORE
//
// Arguments: CLASSES, the matching (tao, voc, coco), and how precision and recall become one number
// (SAMPLE, INTEGRATE). Prints `CLASS AP AP50` for every class and `mean AP AP50`, and the same for
// each range of sizes as `small:CLASS` and `small:mean`.
#include "libs/tasks/detection/average_precision.h"

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "libs/tasks/detection/ap_by_size.h"
#include "libs/tasks/detection/match_boxes.h"

namespace {

struct Image {
  std::vector<trainyard::data::LabelledBox> objects;
  std::vector<trainyard::data::Detection> detections;
};

bool ReadImages(std::map<int, Image>& images) {
  std::string kind;
  while (std::cin >> kind) {
    int image = 0, class_id = 0;
    trainyard::data::Box box;
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

template <typename Boxes>
std::vector<double> AreasOf(const Boxes& boxes) {
  std::vector<double> areas;
  for (const auto& one : boxes) areas.push_back(trainyard::tasks::AreaOf(one.box));
  return areas;
}

void Print(const std::string& prefix, const trainyard::tasks::ApResult& result) {
  for (const auto& one : result.classes) {
    std::printf("%s%s %.17g %.17g\n", prefix.c_str(), one.name.c_str(), one.ap, one.ap50);
  }
  std::printf("%smean %.17g %.17g\n", prefix.c_str(), result.mean_ap, result.mean_ap50);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: average-precision CLASSES tao|voc|coco SAMPLE|INTEGRATE\n");
    return 2;
  }
  const auto matching = trainyard::tasks::MatchingFromName(argv[2]);
  std::map<int, Image> images;
  if (!matching.ok() || !ReadImages(images)) {
    std::fprintf(stderr, "average-precision: bad matching or input\n");
    return 1;
  }
  std::vector<std::string> classes;
  for (int i = 1; i <= std::atoi(argv[1]); ++i) classes.push_back(std::to_string(i));
  const trainyard::tasks::EvaluationPlan plan{.ap_mode = argv[3] == std::string("INTEGRATE")
                                                             ? trainyard::tasks::ApMode::kIntegrate
                                                             : trainyard::tasks::ApMode::kSample,
                                              .matching = *matching};
  trainyard::tasks::AveragePrecision ap(classes, plan);
  trainyard::tasks::ApBySize sizes(classes, plan);
  for (const auto& [id, image] : images) {
    ap.Add(image.objects, image.detections);
    sizes.Add(image.objects, image.detections, AreasOf(image.objects), AreasOf(image.detections));
  }
  Print("", ap.Compute());
  const auto by_size = sizes.Compute();
  for (size_t i = 0; i < by_size.size(); ++i) {
    Print(std::string(trainyard::tasks::kSizeRanges[i].name) + ":", by_size[i]);
  }
  return 0;
}
