#pragma once

// One small set of pictures and boxes, written in each of the formats that are read.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/data/box.h"
#include "libs/data/image_io.h"
#include "tests/support/data_pictures.h"
#include "tests/support/temporary_folder.h"

namespace trainyard::testing {

struct LabelledPicture {
  std::string stem;
  int width = 0, height = 0;
  struct Object {
    std::string type;
    int x1 = 0, y1 = 0, x2 = 0, y2 = 0;
    bool difficult = false;
  };
  std::vector<Object> objects;
};

/// `count` pictures of sizes that six decimals cannot divide evenly, with whole boxes of three classes;
/// each fifth has none. Every box has two pixels and lies inside.
inline std::vector<LabelledPicture> BloodCells(int count) {
  const std::string kTypes[] = {"RBC", "WBC", "Platelets"};
  uint32_t state = 12345;
  const auto below = [&state](int end) {
    state = state * 1664525u + 1013904223u;
    return static_cast<int>((state >> 8) % static_cast<uint32_t>(end));
  };
  std::vector<LabelledPicture> pictures;
  for (int i = 0; i < count; ++i) {
    LabelledPicture picture{absl::StrFormat("BloodImage_%05d", i), 37 + 7 * (i % 5), 29 + 3 * (i % 4), {}};
    for (int n = i % 5 == 4 ? 0 : 1 + below(4); n > 0; --n) {
      const int x1 = below(picture.width - 3), y1 = below(picture.height - 3);
      picture.objects.push_back({kTypes[below(3)], x1, y1, x1 + 2 + below(picture.width - x1 - 2),
                                 y1 + 2 + below(picture.height - y1 - 2), n == 2});
    }
    pictures.push_back(std::move(picture));
  }
  return pictures;
}

inline void WritePicture(const TemporaryFolder& folder, const std::string& dir,
                         const LabelledPicture& picture) {
  const Tensor pixels = PlainPicture(picture.width, picture.height, {200, 180, 160});
  folder.Write(absl::StrCat(dir, "/", picture.stem, ".png"), data::EncodePng(pixels).value());
}

/// `<dir>/images`, `<dir>/labels`.
inline void WriteKittiSet(const TemporaryFolder& folder, const std::string& dir,
                          const std::vector<LabelledPicture>& pictures) {
  for (const LabelledPicture& picture : pictures) {
    std::string lines;
    for (const auto& o : picture.objects) {
      absl::StrAppend(&lines, o.type, " 0 ", o.difficult ? 1 : 0, " 0 ", o.x1, " ", o.y1, " ", o.x2,
                      " ", o.y2, " 0 0 0 0 0 0 0\n");
    }
    WritePicture(folder, dir + "/images", picture);
    folder.Write(absl::StrCat(dir, "/labels/", picture.stem, ".txt"), lines);
  }
}

/// `<dir>/images`, `<dir>/annotations.json`, with ids from 11 and the annotations first.
inline void WriteCocoSet(const TemporaryFolder& folder, const std::string& dir,
                         const std::vector<LabelledPicture>& pictures) {
  const std::vector<std::string> types = {"RBC", "WBC", "Platelets"};
  std::vector<std::string> images, annotations, categories;
  for (size_t i = 0; i < pictures.size(); ++i) {
    const LabelledPicture& picture = pictures[i];
    WritePicture(folder, dir + "/images", picture);
    images.push_back(absl::StrFormat(
        R"({"id": %d, "file_name": "%s.png", "width": %d, "height": %d})", i + 11, picture.stem,
        picture.width, picture.height));
    for (const auto& o : picture.objects) {
      const auto type = std::find(types.begin(), types.end(), o.type) - types.begin();
      annotations.push_back(absl::StrFormat(
          R"({"id": %d, "image_id": %d, "category_id": %d, "bbox": [%d, %d, %d, %d], "iscrowd": %d,)"
          R"( "segmentation": [[1, 2, 3.5, 4]], "area": %d})",
          annotations.size() + 1, i + 11, type + 1, o.x1, o.y1, o.x2 - o.x1, o.y2 - o.y1,
          o.difficult ? 1 : 0, (o.x2 - o.x1) * (o.y2 - o.y1)));
    }
  }
  for (size_t i = 0; i < types.size(); ++i) {
    categories.push_back(absl::StrFormat(R"({"id": %d, "name": "%s"})", i + 1, types[i]));
  }
  folder.Write(dir + "/annotations.json",
               absl::StrCat("{\"annotations\": [", absl::StrJoin(annotations, ",\n"),
                            "],\n\"images\": [", absl::StrJoin(images, ",\n"), "],\n\"categories\": [",
                            absl::StrJoin(categories, ", "), "]}"));
}

/// `<dir>/JPEGImages`, `<dir>/Annotations`; corners count from 1 and belong to the box.
inline void WriteVocSet(const TemporaryFolder& folder, const std::string& dir,
                        const std::vector<LabelledPicture>& pictures) {
  for (const LabelledPicture& picture : pictures) {
    std::string xml = absl::StrFormat(
        "<annotation>\n  <filename>%s.png</filename>\n  <size><width>%d</width><height>%d</height>"
        "<depth>3</depth></size>\n",
        picture.stem, picture.width, picture.height);
    for (const auto& o : picture.objects) {
      absl::StrAppendFormat(
          &xml,
          "  <object><name>%s</name><pose>Unspecified</pose><truncated>0</truncated>"
          "<difficult>%d</difficult><bndbox><xmin>%d</xmin><ymin>%d</ymin><xmax>%d</xmax>"
          "<ymax>%d</ymax></bndbox></object>\n",
          o.type, o.difficult ? 1 : 0, o.x1 + 1, o.y1 + 1, o.x2, o.y2);
    }
    WritePicture(folder, dir + "/JPEGImages", picture);
    folder.Write(absl::StrCat(dir, "/Annotations/", picture.stem, ".xml"), xml + "</annotation>\n");
  }
}

/// `<dir>/images`, `<dir>/labels` and `<dir>/data.yaml`; six decimals; nothing is difficult.
inline void WriteYoloSet(const TemporaryFolder& folder, const std::string& dir,
                         const std::vector<LabelledPicture>& pictures) {
  const std::vector<std::string> types = {"RBC", "WBC", "Platelets"};
  for (const LabelledPicture& picture : pictures) {
    std::string lines;
    for (const auto& o : picture.objects) {
      const double w = picture.width, h = picture.height;
      absl::StrAppendFormat(&lines, "%d %.6f %.6f %.6f %.6f\n",
                            std::find(types.begin(), types.end(), o.type) - types.begin(),
                            (o.x1 + o.x2) / 2.0 / w, (o.y1 + o.y2) / 2.0 / h, (o.x2 - o.x1) / w,
                            (o.y2 - o.y1) / h);
    }
    WritePicture(folder, dir + "/images", picture);
    folder.Write(absl::StrCat(dir, "/labels/", picture.stem, ".txt"), lines);
  }
  folder.Write(dir + "/data.yaml", "nc: 3\nnames: [RBC, WBC, Platelets]\n");
}

}  // namespace trainyard::testing
