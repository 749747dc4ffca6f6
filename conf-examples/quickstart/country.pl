#!/usr/bin/perl

# Makes a country database of the world, in the shape of GeoLite2-Country,
# from the lists of Debian's tor-geoipdb.
#
#   country.pl FILE

use strict;
use warnings;

use MaxMind::DB::Writer::Tree;

my ($to) = @ARGV or die "usage: $0 FILE\n";

my $tree = MaxMind::DB::Writer::Tree->new(
    database_type            => 'GeoLite2-Country',
    description              => { en => 'Countries, from tor-geoipdb' },
    languages                => ['en'],
    ip_version               => 6,
    record_size              => 24,
    alias_ipv6_to_ipv4       => 1,
    remove_reserved_networks => 0,
    map_key_type_callback    =>
        sub { $_[0] eq 'country' ? 'map' : 'utf8_string' },
);

insert('/usr/share/tor/geoip',  \&ipv4);
insert('/usr/share/tor/geoip6', sub { $_[0] });

open my $out, '>:raw', "$to.new" or die "$to.new: $!\n";
$tree->write_tree($out);
close $out or die "$to.new: $!\n";
rename "$to.new", $to or die "$to: $!\n";


# A line is "first,last,CC"; "??" is an address of no country.  2002::/16 holds
# the IPv4 addresses once more: the tree has an alias there.

sub insert {
    my ($file, $address) = @_;

    open my $in, '<', $file or die "$file: $!\n";

    while (<$in>) {
        my ($first, $last, $country) = /^([^#,]+),([^,]+),([A-Z]{2})$/ or next;
        next if $first =~ /^2002:/;

        $tree->insert_range($address->($first), $address->($last),
                            { country => { iso_code => $country } });
    }
}


sub ipv4 {
    my ($number) = @_;

    return join '.', unpack 'C4', pack 'N', $number;
}
