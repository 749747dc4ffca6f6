package Test::Gate::Countries;

# Databases as MaxMind's: networks to ISO codes, or to whole records as those
# of MaxMind's Country, City, ASN and Anonymous-IP, or of IPinfo.

use strict;
use warnings;

use MaxMind::DB::Writer::Tree;

# What type a key's value has, where it is no map.

my %types = (
    (map { $_ => 'utf8_string' } qw(iso_code code en de ja country_code
                                    country_name continent_code
                                    autonomous_system_organization
                                    lat lng asn radius
                                    vpn proxy tor relay hosting)),
    (map { $_ => 'double' } qw(latitude longitude)),
    (map { $_ => 'uint32' } qw(autonomous_system_number geoname_id)),
    (map { $_ => 'boolean' } qw(is_anonymous is_anonymous_vpn is_public_proxy
                                is_residential_proxy is_hosting_provider
                                is_tor_exit_node is_anonymous_proxy)),
    accuracy_radius => 'uint16',
);

sub write {
    my ($file, %networks) = @_;

    return database($file, networks => \%networks);
}

# networks => { ... }, type => "GeoLite2-City", types => { key => type },
# record_size, ip_version.  The file is complete when it gets its name.

sub database {
    my ($file, %o) = @_;

    my $version = $o{ip_version} // 6;
    my $networks = $o{networks};
    my %all = (%types, %{ $o{types} // {} });

    my $tree = MaxMind::DB::Writer::Tree->new(
        ip_version               => $version,
        record_size              => $o{record_size} // 24,
        database_type            => $o{type} // 'GeoLite2-Country',
        languages                => ['en'],
        description              => { en => 'a test' },
        $version == 6 ? (alias_ipv6_to_ipv4 => 1) : (),
        remove_reserved_networks => 0,
        map_key_type_callback    => sub { $all{ $_[0] } // 'map' },
    );

    for my $network (sort keys %$networks) {
        my $record = $networks->{$network};

        $record = { country => { iso_code => $record } } unless ref $record;
        $tree->insert_network($network, $record);
    }

    open my $fh, '>:raw', "$file.new" or die "$file: $!";
    $tree->write_tree($fh);
    close $fh or die "$file: $!";
    rename "$file.new", $file or die "$file: $!";

    return $file;
}

# The bytes of a database whose upper half of all IPv4 addresses has one record,
# which is given as bytes, too.

sub crafted {
    my ($record, %o) = @_;

    my $string = sub { chr(0x40 | length $_[0]) . $_[0] };

    return pack('H12', '000001000011') . "\0" x 16 . $record
           . "\xab\xcd\xefMaxMind.com" . ($o{metadata} // "\xe9"
           . $string->('node_count') . "\xc1\x01"
           . $string->('record_size') . "\xa1\x18"
           . $string->('ip_version') . "\xa1\x04"
           . $string->('database_type') . $string->('crafted')
           . $string->('languages') . "\x00\x04"
           . $string->('binary_format_major_version') . "\xa1\x02"
           . $string->('binary_format_minor_version') . "\xa0"
           . $string->('build_epoch') . "\x01\x02\x01"
           . $string->('description') . "\xe0");
}

# So many maps, one in the other.

sub nested {
    my ($n) = @_;

    return "\xe1\x40" x ($n - 1) . "\xe0";
}

1;
