/* SPDX-License-Identifier: ISC */
/*
 * render.h - any view as a table, as TSV and as JSON
 */
#ifndef GUICHET_STAT_RENDER_H
#define GUICHET_STAT_RENDER_H

#include "client/stat/view.h"

#define RENDER_SCHEMA 1

/* See struct format. A view's formats are often just these, in this order. */
int render_table(const struct view *view, const struct readout *readout,
		 struct output *output);
int render_tsv(const struct view *view, const struct readout *readout,
	       struct output *output);
int render_json(const struct view *view, const struct readout *readout,
		struct output *output);

#define RENDER_FORMATS 3
extern const struct format render_formats[RENDER_FORMATS];

/* @text, which is clean, in quotes. */
void render_json_text(FILE *file, const char *text);

/*
 * {"schema":1,"view":... : what every document says of the instance, up to
 * where the view's own keys follow, each after a comma.
 */
void render_json_begin(FILE *file, const struct readout *readout,
		       const char *view_name);
void render_json_end(FILE *file);

/* A line of headings, or a title: bold where that is seen. */
void render_bold_begin(const struct output *output);
void render_bold_end(const struct output *output);

#endif
