#!/usr/bin/perl

# Seeds for the target "crl": CRLs of all kinds, in the directory given.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::Gate;

my ($dir) = @ARGV;
my $t = Test::Gate->new;
my $oid = "\x06\x03\x55\x1d";

$t->ca('ca');

my %seeds = (
    empty => [ der => 1 ],
    some => [ der => 1, serials => [ "\1", "\x7f\xff", "\x80" ] ],
    pem => [ serials => [ 'abc' ] ],
    users => [ der => 1, extensions => [ [ "$oid\x1c", 1,
                                           "\x30\3\x81\1\xff" ] ] ],
    indirect => [ der => 1, serials => [ "\1" ],
                  entry => [ [ "$oid\x1d", 1, "\x30\6\x82\4host" ] ],
                  extensions => [ [ "$oid\x1c", 1, "\x30\3\x84\1\xff" ] ] ],
    delta => [ der => 1, extensions => [ [ "$oid\x1b", 1, "\2\1\1" ] ] ],
    number => [ der => 1, extensions => [ [ "$oid\x14", 0, "\2\1\1" ] ] ],
    reason => [ der => 1, serials => [ "\1" ],
                entry => [ [ "$oid\x15", 0, "\x0a\1\1" ] ] ],
    place => [ der => 1, extensions => [ [ "$oid\x1c", 1,
        "\x30\x0e\xa0\x0c\xa0\x0a\x86\x08http://a" ] ] ],
);

$t->write_file("$dir/$_", $t->crl('ca', @{ $seeds{$_} })) for keys %seeds;
$t->write_file("$dir/two", $t->crl('ca', der => 1) x 2);
$t->write_file("$dir/ca", $t->crl('ca') . $t->read_file('ca.pem'));
