// Segments a photo with one click, and writes the mask to a file.

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include <maskbus/maskbus.hpp>

#include "arguments.hpp"

namespace {

constexpr const char* usage =
    "usage: segment_photo PHOTO X,Y OUT.png|OUT.pgm [--endpoint E] [--model M]\n"
    "\n"
    "Click on pixel X,Y of a JPEG, PNG or WebP file and write the mask, as the node's PNG or as grey PGM.\n"
    "E: tcp://host:port or ipc://path (default: MASKBUS_ENDPOINT, else tcp://127.0.0.1:7710).\n"
    "M: one of the node's models (default: the node's own).\n"
    "Exit status: 0, 1 where there is no mask, 2 for a wrong command line.";

int fail(const std::string& problem) {
    std::cerr << "segment_photo: " << problem << "\n";
    return EXIT_FAILURE;
}

bool ends_with(const std::string& text, const std::string& end) {
    return text.size() > end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

int main(int count, char** texts) {
    const Arguments arguments(count, texts, usage, 3, {"endpoint", "model"});
    const std::string& out = arguments.at(2);
    const bool png = ends_with(out, ".png");
    if (!png && !ends_with(out, ".pgm")) {
        arguments.fail("The mask goes to a file that ends in .png or .pgm, not to " + out + ".");
    }
    maskbus::Point click;
    char* end = nullptr;
    click.x = std::strtod(arguments.at(1).c_str(), &end);
    const bool comma = *end == ',';
    click.y = std::strtod(comma ? end + 1 : end, &end);
    if (!comma || *end != '\0') {
        arguments.fail("A click is X,Y, such as 320,240, not " + arguments.at(1) + ".");
    }

    std::ifstream file(arguments.at(0), std::ios::binary);
    const std::vector<char> photo((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (photo.empty()) {
        return fail("the photo " + arguments.at(0) + " cannot be read, or is empty.");
    }

    maskbus::ClientOptions where;
    where.endpoint = arguments.text("endpoint", "");
    auto client = maskbus::Client::connect(where);
    if (!client) {
        return fail(client.error().message);
    }
    maskbus::SegmentOptions options;
    options.encodings = {png ? maskbus::MaskEncoding::png : maskbus::MaskEncoding::bits};
    options.model = arguments.text("model", "");
    maskbus::Prompt prompt;
    prompt.points = {click};
    const auto masks = client->segment(maskbus::ImageView::file(photo.data(), photo.size()), prompt, options);
    if (!masks) {
        return fail(masks.error().message);
    }
    const auto mask = masks->best();
    if (!mask) {
        return fail(mask.error().message);
    }

    std::ofstream written(out, std::ios::binary);
    if (png) {
        const auto bytes = mask->png();
        if (!bytes) {
            return fail("the node sent no PNG.");
        }
        written.write(bytes->text().data(), static_cast<std::streamsize>(bytes->size()));
    } else {
        const auto pixels = mask->decode();
        if (!pixels) {
            return fail(pixels.error().message);
        }
        written << "P5\n" << pixels->width << " " << pixels->height << "\n255\n";
        written.write(reinterpret_cast<const char*>(pixels->pixels.data()),
                      static_cast<std::streamsize>(pixels->pixels.size()));
    }
    written.close();
    if (!written) {
        return fail(out + " cannot be written.");
    }
    std::cout << out << ": " << mask->area() << " pixels, predicted IoU " << mask->predicted_iou() << "\n";
    return EXIT_SUCCESS;
}
