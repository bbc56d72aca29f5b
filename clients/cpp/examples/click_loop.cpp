// Sends a photo once, and then answers one click after the other.

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include <maskbus/maskbus.hpp>

#include "arguments.hpp"

namespace {

constexpr const char* usage =
    "usage: click_loop PHOTO [--endpoint E] [--model M] [--deadline S]\n"
    "\n"
    "Have the node keep a JPEG, PNG or WebP file; then, for each line `X Y LABEL` on standard input (label 1: object,\n"
    "0: background; left out: 1), print the mask's box, its area, the model's confidence, and how long the click "
    "took.\n"
    "Clicks add up; a line `new` begins anew. Ends with the input.\n"
    "E: tcp://host:port or ipc://path (default: MASKBUS_ENDPOINT, else tcp://127.0.0.1:7710).\n"
    "M: one of the node's models (default: the node's own). S: seconds each answer may take (default: 30).\n"
    "Exit status: 0, 1 where the photo could not be sent or a click could not be answered, 2 for a wrong command line.";

int fail(const std::string& problem) {
    std::cerr << "click_loop: " << problem << "\n";
    return EXIT_FAILURE;
}

/// Read a click, and say whether it is one.
bool read(const std::string& line, maskbus::Point& point, int& label) {
    std::istringstream words(line);
    label = 1;
    if (!(words >> point.x >> point.y)) {
        return false;
    }
    words >> std::ws;
    return words.eof() || (words >> label && (words >> std::ws).eof() && (label == 0 || label == 1));
}

}  // namespace

int main(int count, char** texts) {
    const Arguments arguments(count, texts, usage, 1, {"endpoint", "model", "deadline"});
    std::ifstream file(arguments.at(0), std::ios::binary);
    const std::vector<char> photo((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (photo.empty()) {
        return fail("the photo " + arguments.at(0) + " cannot be read, or is empty.");
    }
    maskbus::ClientOptions where;
    where.endpoint = arguments.text("endpoint", "");
    where.deadline =
        std::chrono::milliseconds(static_cast<int>(arguments.number("deadline", 30, 0.001, 3'600) * 1'000));
    auto client = maskbus::Client::connect(where);
    if (!client) {
        return fail(client.error().message);
    }
    maskbus::EmbedOptions options;
    options.model = arguments.text("model", "");
    const auto image = client->embed(maskbus::ImageView::file(photo.data(), photo.size()), options);
    if (!image) {
        return fail(image.error().message);
    }
    std::cout << image->width() << " x " << image->height() << " pixels, model " << image->model() << std::endl;

    int status = EXIT_SUCCESS;
    maskbus::Prompt prompt;
    for (std::string line; std::getline(std::cin, line);) {
        maskbus::Point point;
        int label = 1;
        if (line == "new") {
            prompt = {};
            continue;
        }
        if (!read(line, point, label)) {
            status = fail("a click is X Y LABEL, such as 320 240 1, not \"" + line + "\".");
            continue;
        }
        maskbus::Prompt wanted = prompt;
        wanted.points.push_back(point);
        wanted.labels.push_back(label);
        const auto begin = std::chrono::steady_clock::now();
        const auto masks = client->segment(*image, wanted);
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
        if (!masks) {
            status = fail(masks.error().message);
            continue;
        }
        prompt = wanted;  // a click that was refused does not count
        const auto mask = masks->best();
        if (!mask) {
            status = fail(mask.error().message);
            continue;
        }
        const maskbus::BoundingBox& box = mask->bbox();
        std::cout << "bbox " << box.x << " " << box.y << " " << box.width << " " << box.height << ", area "
                  << mask->area() << ", iou " << mask->predicted_iou() << ", " << took.count() << " ms" << std::endl;
    }
    return status;
}
