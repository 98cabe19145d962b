// What a file must not be able to do: run something, read beyond itself, take memory, crash.

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/weights/weight_file.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/weights/weight_files.h"

namespace trainyard::weights {
namespace {

using ::absl::StatusCode;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::trainyard::testing::Floats;
using ::trainyard::testing::IsOk;
using ::trainyard::testing::LegacyAround;
using ::trainyard::testing::Safetensors;
using ::trainyard::testing::StatusIs;
using ::trainyard::testing::WeightBytes;
using ::trainyard::testing::WeightFile;

TEST(HostileWeightsTest, WhatAPickleWantsToRunIsNamedAndNotRun) {
  for (const std::string file : {"os_system.pth", "os_system_legacy.pth"}) {
    EXPECT_THAT(LoadWeights(WeightFile(file)),
                StatusIs(StatusCode::kInvalidArgument,
                         AllOf(HasSubstr("wants to run posix.system; only tensors are read"),
                               HasSubstr("torch.save(model.state_dict(), path)"))));
  }
  // GLOBAL, INST, and STACK_GLOBAL of protocol 4.
  for (const std::string& pickle : {std::string("\x80\x02"
                                                "cos\nsystem\nX\x02\0\0\0id\x85R.",
                                                23),
                                    std::string("\x80\x02(X\x02\0\0\0idios\nsystem\n.", 22),
                                    std::string("\x80\x04\x8c\x02os\x8c\x06system\x93.", 16)}) {
    EXPECT_THAT(ParseWeights(LegacyAround(pickle), "a"),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr("wants to run os.system")));
  }
}

TEST(HostileWeightsTest, AStorageIsNoFunction) {
  EXPECT_THAT(ParseWeights(LegacyAround("\x80\x02"
                                        "ctorch\nFloatStorage\n)R."),
                           "a"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("run torch.FloatStorage")));
}

TEST(HostileWeightsTest, ViewsStayInTheirStorage) {
  for (const auto& [file, words] : std::vector<std::pair<std::string, std::string>>{
           {"huge_shape.pth", "tensor 't': has shape [1048576, 1048576]"},
           {"overflow.pth", "tensor 't'"},
           {"negative_stride.pth", "leaves its storage of 4 elements"},
           {"negative_offset.pth", "begins at element -1; its storage has 4"},
           {"negative_shape.pth", "tensor 't'"},
           {"outside.pth", "leaves its storage of 4 elements"},
           {"stride_overflow.pth", "leaves its storage of 4 elements"},
           {"expanded.pth", "which is 5 elements; its storage has 4"},
           {"fewer_strides.pth", "has 2 dimensions and 1 strides"}}) {
    EXPECT_THAT(LoadWeights(WeightFile(file)),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(words)))
        << file;
  }
}

TEST(HostileWeightsTest, StoragesAreHeldAgainstTheFile) {
  EXPECT_THAT(LoadWeights(WeightFile("huge_storage.pth")),
              StatusIs(StatusCode::kDataLoss, HasSubstr("storage '0' has 16 bytes")));
  EXPECT_THAT(LoadWeights(WeightFile("huge_storage_legacy.pth")),
              StatusIs(StatusCode::kDataLoss, HasSubstr("and the file has 16 bytes left")));
}

TEST(HostileWeightsTest, ListsInListsAndDictsInThemselvesAreNotWalked) {
  const auto weights = LoadWeights(WeightFile("memo_bomb.pth"));
  ASSERT_THAT(weights, IsOk());
  EXPECT_THAT(Floats(*weights, "t"), ElementsAre(1));
}

TEST(HostileWeightsTest, WhatAPickleCostsIsBounded) {
  EXPECT_THAT(ParseWeights(LegacyAround("\x80\x02" + std::string(2000, '(') + "."), "a"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("nested too deep")));
  EXPECT_THAT(ParseWeights(LegacyAround("\x80\x02" + std::string(1'100'000, 'N') + "."), "a"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("more than a million opcodes")));
  EXPECT_THAT(ParseWeights(LegacyAround("\x80\x02Nr\xff\xff\xff\xff."), "a"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("memo 4294967295")));
  EXPECT_THAT(ParseWeights(LegacyAround("\x80\x02X\xff\xff\xff\x7f"
                                        "abc"),
                           "a"),
              StatusIs(StatusCode::kDataLoss, HasSubstr("cut short")));
}

// A list of a thousand pairs, made into an OrderedDict two thousand times.
TEST(HostileWeightsTest, CopiesCountAsWork) {
  std::string pickle = "\x80\x02](";
  for (int i = 0; i < 1000; ++i) pickle += std::string("K\0K\0\x86", 5);
  pickle += std::string(
      "eq\0"
      "0ccollections\nOrderedDict\nq\x01"
      "0",
      32);
  for (int i = 0; i < 2000; ++i) pickle += std::string("h\x01h\0\x85R0", 7);
  EXPECT_THAT(ParseWeights(LegacyAround(pickle + "N."), "a"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("more than a million")));
}

TEST(HostileWeightsTest, OpcodesWithoutSenseAreErrors) {
  for (const std::string pickle :
       {".", "0.", "u.", "}(K\x01u.", "e.", "R.", ")R.", "Q.", "N)b.", "h\x01.", "\x85.", "(t1.",
        "]]s.", "a.", "\xff.", "\x93.", "(N\x86."}) {
    EXPECT_THAT(ParseWeights(LegacyAround("\x80\x02" + pickle), "a"),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr("'a': byte ")))
        << pickle;
  }
}

TEST(HostileWeightsTest, NoHeadOfAFileIsRead) {
  for (const std::string file : {"plain.pth", "zip64.pth", "legacy.pth", "plain.safetensors"}) {
    const std::string bytes = WeightBytes(file);
    ASSERT_FALSE(bytes.empty());
    for (size_t size = 0; size < bytes.size(); ++size) {
      const auto weights = ParseWeights(absl::string_view(bytes).substr(0, size), file);
      ASSERT_FALSE(weights.ok()) << file << " cut to " << size << " bytes";
    }
  }
}

TEST(HostileWeightsTest, AFlippedBitOfAStorageIsNoticed) {
  std::string bytes = WeightBytes("plain.pth");
  const size_t place = bytes.find(std::string("\0\0\x80\xbf\0\0\0\x40", 8));  // -1 and 2 as f32
  ASSERT_NE(place, std::string::npos);
  bytes[place + 2] ^= 1;
  EXPECT_THAT(
      ParseWeights(bytes, "a"),
      StatusIs(StatusCode::kDataLoss, HasSubstr("data/1' of the zip archive is damaged: CRC")));
}

std::string Entry(absl::string_view name, absl::string_view shape, int begin, int end) {
  return absl::StrCat("\"", name, "\":{\"dtype\":\"F32\",\"shape\":", shape, ",\"data_offsets\":[",
                      begin, ",", end, "]}");
}

TEST(HostileWeightsTest, SafetensorsLieOneBehindTheOtherInsideTheFile) {
  const std::string data(8, '\0');
  const auto parse = [&data](const std::string& entries) {
    return ParseWeights(Safetensors(absl::StrCat("{", entries, "}"), data), "a");
  };
  ASSERT_THAT(parse(absl::StrCat(Entry("x", "[1]", 0, 4), ",", Entry("y", "[1]", 4, 8))), IsOk());
  EXPECT_THAT(parse(absl::StrCat(Entry("x", "[1]", 0, 4), ",", Entry("y", "[1]", 2, 6))),
              StatusIs(StatusCode::kDataLoss, HasSubstr("'y' begins at byte 2; the one before")));
  EXPECT_THAT(parse(absl::StrCat(Entry("x", "[1]", 4, 8))),
              StatusIs(StatusCode::kDataLoss, HasSubstr("the one before ends at 0")));
  EXPECT_THAT(parse(Entry("x", "[1]", 0, 4)),
              StatusIs(StatusCode::kDataLoss, HasSubstr("have 4 bytes; 8 lie behind")));
  EXPECT_THAT(parse(Entry("x", "[3]", 0, 12)),
              StatusIs(StatusCode::kDataLoss, HasSubstr("tensor 'x': lies at bytes [0, 12] of 8")));
  EXPECT_THAT(parse(Entry("x", "[3]", 0, 8)),
              StatusIs(StatusCode::kDataLoss, HasSubstr("has 8 bytes; expected 3 elements")));
  EXPECT_THAT(
      parse(Entry("x", "[-1]", 0, 8)),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("in 'shape' what is no whole number")));
  EXPECT_THAT(parse(Entry("x", "[4294967296,4294967296]", 0, 8)),
              StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(parse("\"x\":1"), StatusIs(StatusCode::kInvalidArgument, HasSubstr("is no object")));
}

TEST(HostileWeightsTest, TheHeaderOfSafetensorsIsBounded) {
  std::string file = Safetensors("{}", "");
  EXPECT_THAT(ParseWeights(file, "a"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("no tensor")));
  file[1] = 1;  // 258 bytes
  EXPECT_THAT(ParseWeights(file, "a"),
              StatusIs(StatusCode::kDataLoss, HasSubstr("of which 2 are there")));
  file[4] = 1;  // more than 4 GiB
  EXPECT_THAT(ParseWeights(file, "a"), StatusIs(StatusCode::kResourceExhausted));
  EXPECT_THAT(ParseWeights(Safetensors("{\"a\":" + std::string(100000, '['), ""), "a"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("is no JSON")));
}

}  // namespace
}  // namespace trainyard::weights
